using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Passages, best first.</summary>
/// <param name="Candidates">The passages.</param>
/// <param name="IsAll">Whether there are no others.</param>
internal sealed record CandidateList(List<Candidate> Candidates, bool IsAll);

/// <summary>Finds the passages that answer a search, by keyword, by vector, or by both.</summary>
internal sealed class CandidateFinder(PassageStore passages, VectorSearch vectors, IOptions<SearchOptions> options, TimeProvider time)
{
    /// <summary>Passages that vanish between being ranked and being read leave no gap in the page as long as there are spare ones.</summary>
    public const int Spare = 5;

    // Passages of a document that are among the best, on average, at a guess.
    private const int PassagesADocument = 3;

    /// <summary>How many passages a search looks at first.</summary>
    public int FirstDepth(SearchJob job) =>
        Math.Max(
            (job.Depth * (job.Request.GroupBy == SearchGrouping.Document ? PassagesADocument : 1)) + Spare,
            job.Mode == SearchMode.Hybrid || job.Boosts.Count > 0 || job.Request.Diversity > 0 ? options.Value.FusionDepth : 0);

    /// <summary>How many vectors it finds first.</summary>
    public int VectorsFor(SearchJob job) => IsPlain(job) ? job.Depth : FirstDepth(job);

    /// <summary>Whether the nearest vectors, as they come, are the answer.</summary>
    public static bool IsPlain(SearchJob job) =>
        job.Mode == SearchMode.Vector && job.Request is { GroupBy: SearchGrouping.Passage, Offset: 0, Diversity: 0 } && job.Boosts.Count == 0;

    /// <summary>Finds the best passages.</summary>
    /// <param name="job">The search.</param>
    /// <param name="depth">How many are wanted: there are fewer only if there are no others.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    public async Task<CandidateList> FindAsync(SearchJob job, int depth, CancellationToken cancellationToken)
    {
        var list = job.Mode switch
        {
            SearchMode.Keyword => await FindByKeywordAsync(job, depth, cancellationToken),
            SearchMode.Vector => await FindByVectorAsync(job, depth, cancellationToken),
            _ => await FindByBothAsync(job, depth, cancellationToken),
        };
        if (job.Boosts.Count > 0)
        {
            list = list with { Candidates = await BoostAsync(job, list.Candidates, cancellationToken) };
        }

        return job.Request.Diversity > 0 ? list with { Candidates = await DiversifyAsync(job, list.Candidates, cancellationToken) } : list;
    }

    /// <summary>The nearest vectors: always as many as were asked for, if there are so many. What an index did not find is found by comparing all.</summary>
    public async Task<IReadOnlyList<VectorHitRow>> FindNearestAsync(SearchJob job, int limit, bool withPassages, CancellationToken cancellationToken)
    {
        var plan = job.Plan!;
        var query = new VectorQuery(
            job.WorkspaceId,
            job.Space,
            job.Vector!,
            job.Filter,
            limit,
            Math.Clamp(Math.Max(plan.Ef, limit), 1, 1000),
            Math.Max(plan.Scan, limit),
            (int)options.Value.Timeout.TotalMilliseconds,
            plan.HalfIndex);
        job.VectorPlan = plan.Plan;
        var result = await job.TimeAsync(vectors.FindAsync(query, plan.Plan, withPassages, cancellationToken));
        if (plan.Plan is VectorPlan.Hnsw or VectorPlan.PartialHnsw && result.Candidates < limit + plan.Spare)
        {
            // Too few of the query's neighbours meet the conditions, as when a filter leaves out just what the query is about.
            job.VectorPlan = job.Filter is null ? VectorPlan.ExactWorkspace : VectorPlan.ExactFilterFirst;
            job.FellBack = true;
            result = await job.TimeAsync(vectors.FindAsync(query, job.VectorPlan, withPassages, cancellationToken));
        }

        return result.Hits;
    }

    private async Task<CandidateList> FindByBothAsync(SearchJob job, int depth, CancellationToken cancellationToken)
    {
        var byVector = FindByVectorAsync(job, depth, cancellationToken);
        var byKeyword = FindByKeywordAsync(job, depth, cancellationToken);
        await Task.WhenAll(byVector, byKeyword);
        var (near, matching) = (await byVector, await byKeyword);
        var nearest = near.Candidates;
        if (job.Text.Phrases.Count > 0)
        {
            // Only what has the phrase is a match; vectors say in which order.
            var withPhrase = matching.Candidates.Select(c => c.ChunkId).ToHashSet();
            nearest = [.. nearest.Where(c => withPhrase.Contains(c.ChunkId))];
        }

        var weighted = job.Request.Fusion == SearchFusion.Weighted;
        var weight = job.Request.VectorWeight ?? (!job.Space.Lexical ? options.Value.SemanticWeight
            : weighted ? options.Value.LexicalScoreWeight
            : options.Value.LexicalWeight);
        (IReadOnlyList<Candidate>, double)[] rankings = [(matching.Candidates, 1), (nearest, weight)];
        return new(
            weighted ? RankFusion.Weighted(rankings) : RankFusion.ReciprocalRank(rankings, options.Value.FusionRank),
            matching.IsAll && (near.IsAll || job.Text.Phrases.Count > 0));
    }

    private async Task<CandidateList> FindByVectorAsync(SearchJob job, int depth, CancellationToken cancellationToken)
    {
        await job.Locating;
        var nearest = job.Nearest is { } first && depth == FirstDepth(job)
            ? first
            : await FindNearestAsync(job, depth, withPassages: false, cancellationToken);
        return new([.. nearest.Select(hit => new Candidate(hit.ChunkId, hit.DocumentKey, 1 - hit.Distance))], nearest.Count < depth);
    }

    private async Task<CandidateList> FindByKeywordAsync(SearchJob job, int depth, CancellationToken cancellationToken)
    {
        // Some of the best may be dead, not meet the filter, or lack the phrase: ask for more until enough are left.
        for (var k = (long)depth + (depth / 4) + 20; ; k *= 8)
        {
            var ranking = Bm25Scorer.Rank(job.Postings!, (int)Math.Min(k, int.MaxValue / 2), job.Allowed);
            job.Decoded = ranking.Decoded;
            var live = await job.TimeAsync(passages.FindLiveAsync(
                job.WorkspaceId,
                [.. ranking.Best.Select(s => s.LexicalId)],
                job.Allowed is null ? job.Filter : null,
                job.Text.Phrases,
                cancellationToken));
            if (live.Count >= depth || ranking.IsAll)
            {
                return new(
                    [.. live.Take(depth).Select(row => new Candidate(row.ChunkId, row.DocumentKey, ranking.Best[(int)row.Rank - 1].Score))],
                    ranking.IsAll && live.Count <= depth);
            }
        }
    }

    private async Task<List<Candidate>> BoostAsync(SearchJob job, List<Candidate> candidates, CancellationToken cancellationToken)
    {
        var filters = job.Boosts.Where(b => b.Filter is not null).Select(b => b.Filter!).ToList();
        var factors = await job.TimeAsync(passages.ReadFactorsAsync(
            job.WorkspaceId, [.. candidates.Select(c => c.DocumentKey).Distinct()], filters, cancellationToken));
        var now = time.GetUtcNow();
        return RankFusion.Sort(candidates.Where(c => factors.ContainsKey(c.DocumentKey)).Select(candidate =>
        {
            var (updatedAt, meets) = factors[candidate.DocumentKey];
            var (factor, place) = (1.0, 0);
            foreach (var (boost, filter) in job.Boosts)
            {
                var applies = filter is null || meets[place++] ? 1.0 : 0.0;
                if (boost.HalfLifeDays is { } halfLife)
                {
                    applies *= Math.Pow(2, -Math.Max(0, (now - updatedAt).TotalDays) / halfLife);
                }

                factor += boost.Weight * applies;
            }

            // A cosine may be negative: dividing it raises it.
            return candidate with { Score = candidate.Score >= 0 ? candidate.Score * factor : candidate.Score / factor };
        }));
    }

    private async Task<List<Candidate>> DiversifyAsync(SearchJob job, List<Candidate> candidates, CancellationToken cancellationToken)
    {
        // Comparing each with each grows with the square; what is far behind is not shown anyway.
        var near = candidates.Take(options.Value.FusionDepth).ToList();
        var read = await job.TimeAsync(vectors.ReadAsync(job.WorkspaceId, job.Space, [.. near.Select(c => c.ChunkId)], cancellationToken));
        return [.. RankFusion.Diversify(near, read, job.Request.Diversity), .. candidates.Skip(near.Count)];
    }
}
