using Microsoft.Extensions.Options;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Reorders a ranking. Stages run in the order in which they are registered.</summary>
internal interface IRankStage
{
    /// <summary>Whether a search asks for it.</summary>
    bool AppliesTo(SearchQuery query);

    /// <summary>Reads from the database what it takes, and reorders.</summary>
    Task<Ranking> ReadAndApplyAsync(SearchQuery query, Ranking ranking, SearchTrace trace, CancellationToken cancellationToken);
}

/// <summary>Raises the scores of some documents.</summary>
internal sealed class BoostStage(PassageStore passages, TimeProvider time) : IRankStage
{
    /// <inheritdoc />
    public bool AppliesTo(SearchQuery query) => query.Boosts.Count > 0;

    /// <inheritdoc />
    public async Task<Ranking> ReadAndApplyAsync(SearchQuery query, Ranking ranking, SearchTrace trace, CancellationToken cancellationToken)
    {
        var filters = query.Boosts.Where(b => b.Filter is not null).Select(b => b.Filter!).ToList();
        var factors = await trace.ReadAsync(SearchStages.Boost, () => passages.ReadFactorsAsync(
            query.WorkspaceId, [.. ranking.Candidates.Select(c => c.DocumentKey).Distinct()], filters, cancellationToken));
        return ranking with { Candidates = Apply(ranking.Candidates, query.Boosts, factors, time.GetUtcNow()) };
    }

    /// <summary>Multiplies scores by 1 + weight × how much each boost applies. Documents without factors are gone.</summary>
    /// <param name="candidates">The candidates.</param>
    /// <param name="boosts">The boosts.</param>
    /// <param name="factors">Of each document, when it was changed last and which of the boosts' conditions it meets.</param>
    /// <param name="now">What ages are measured from.</param>
    internal static List<Candidate> Apply(
        IEnumerable<Candidate> candidates,
        IReadOnlyList<QueryBoost> boosts,
        IReadOnlyDictionary<long, (DateTimeOffset UpdatedAt, bool[] Meets)> factors,
        DateTimeOffset now) =>
        RankFusion.Sort(candidates.Where(c => factors.ContainsKey(c.DocumentKey)).Select(candidate =>
        {
            var (updatedAt, meets) = factors[candidate.DocumentKey];
            var (factor, place) = (1.0, 0);
            foreach (var (boost, filter) in boosts)
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

/// <summary>Puts passages behind others that they are like.</summary>
internal sealed class DiversityStage(VectorSearch vectors, IOptions<SearchOptions> options) : IRankStage
{
    /// <inheritdoc />
    public bool AppliesTo(SearchQuery query) => query.Request.Diversity > 0;

    /// <inheritdoc />
    public async Task<Ranking> ReadAndApplyAsync(SearchQuery query, Ranking ranking, SearchTrace trace, CancellationToken cancellationToken)
    {
        // Comparing each with each grows with the square; what is far behind is not shown anyway.
        var near = ranking.Candidates.Take(options.Value.FusionDepth).ToList();
        var read = await trace.ReadAsync(
            SearchStages.Diversify, () => vectors.ReadAsync(query.WorkspaceId, query.Space, [.. near.Select(c => c.ChunkId)], cancellationToken));
        return ranking with
        {
            Candidates = [.. Apply(near, read, query.Request.Diversity), .. ranking.Candidates.Skip(near.Count)],
        };
    }

    /// <summary>
    /// Maximal marginal relevance: takes candidates in turn, each the one with the highest score less its likeness to those taken before
    /// (Carbonell and Goldstein 1998). Scores stay as they are; only the order changes.
    /// </summary>
    /// <param name="candidates">The candidates, best first.</param>
    /// <param name="vectors">Their vectors; one without counts as unlike all.</param>
    /// <param name="diversity">How much likeness counts against score, 0 to 1.</param>
    internal static List<Candidate> Apply(IReadOnlyList<Candidate> candidates, IReadOnlyDictionary<long, float[]> vectors, double diversity)
    {
        var (low, high) = candidates.Count == 0 ? (0, 0) : (candidates[^1].Score, candidates[0].Score);
        var likeness = new double[candidates.Count];
        var left = Enumerable.Range(0, candidates.Count).ToList();
        var order = new List<Candidate>(candidates.Count);
        while (left.Count > 0)
        {
            var best = left.MaxBy(i =>
                ((1 - diversity) * (high > low ? (candidates[i].Score - low) / (high - low) : 1)) - (diversity * likeness[i]));
            left.Remove(best);
            order.Add(candidates[best]);
            if (vectors.TryGetValue(candidates[best].ChunkId, out var taken))
            {
                foreach (var i in left)
                {
                    if (vectors.TryGetValue(candidates[i].ChunkId, out var other))
                    {
                        likeness[i] = Math.Max(likeness[i], Cosine(taken, other));
                    }
                }
            }
        }

        return order;
    }

    private static double Cosine(float[] a, float[] b)
    {
        double dot = 0, aa = 0, bb = 0;
        for (var i = 0; i < a.Length; i++)
        {
            dot += a[i] * b[i];
            aa += a[i] * a[i];
            bb += b[i] * b[i];
        }

        return aa > 0 && bb > 0 ? dot / Math.Sqrt(aa * bb) : 0;
    }
}
