using System.Net;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Answers searches: plans, finds candidates, and reads what is shown of them.</summary>
internal sealed class Searcher(
    LexicalStore lexical,
    PassageStore passages,
    VectorSearch vectors,
    QueryPlanner planner,
    CandidateFinder finder,
    EmbeddingGatewayClient embeddings,
    TimeProvider time)
{
    // Marks that no text has: JSON may carry them, but then they are only shown as highlights.
    private const string HighlightOptions = "StartSel=\u0002,StopSel=\u0003,MaxFragments=2,MaxWords=30,MinWords=10,FragmentDelimiter=\u0004";

    /// <summary>Answers a search.</summary>
    /// <param name="job">The search.</param>
    /// <param name="generation">The generation that the answer reflects at least: read before this is called.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <exception cref="EmbeddingGatewayException">The query could not be embedded.</exception>
    public async Task<SearchResponse> SearchAsync(SearchJob job, long generation, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var planning = PlanAsync(job, cancellationToken);
        job.Locating = job.Mode == SearchMode.Keyword ? Task.CompletedTask : LocateAsync(job, planning, cancellationToken);
        IReadOnlyList<SearchHit> hits;
        long? total;
        try
        {
            await ReadPostingsAsync(job, planning, cancellationToken);
            if (job.Mode == SearchMode.Vector)
            {
                await job.Locating;
            }

            (hits, total) = await FindAsync(job, cancellationToken);
        }
        finally
        {
            // The first failure is the one to report; another one is of no interest, but has to be observed.
            Observe(planning);
            Observe(job.Locating);
        }

        hits = await DecorateAsync(job, hits, cancellationToken);
        return new(
            hits,
            job.Mode,
            job.DescribePlan(),
            job.Space.Id,
            generation,
            Cached: false,
            new(time.GetElapsedTime(started).TotalMilliseconds, job.EmbeddingTime.TotalMilliseconds, job.DatabaseTime.TotalMilliseconds),
            total,
            job.Request.Explain ? job.Explain() : null);
    }

    /// <summary>Begins to embed the query of a search that is going to be answered, while other things are found out.</summary>
    public void Prepare(SearchJob job, CancellationToken cancellationToken)
    {
        if (job.Mode != SearchMode.Keyword)
        {
            job.Embedding = EmbedAsync(job, cancellationToken);
            Observe(job.Embedding);
        }
    }

    private async Task<float[]> EmbedAsync(SearchJob job, CancellationToken cancellationToken)
    {
        if (job.Request.Vector is { } given)
        {
            return [.. given];
        }

        var started = time.GetTimestamp();
        var space = job.Space;
        var embedded = await embeddings.EmbedAsync(
            new(space.Model, space.Revision, space.Dimensions, space.Normalized, space.QueryPrompt, space.DocumentPrompt, space.MaxTokens, space.Lexical),
            space.Id,
            [job.Text.Words],
            EmbeddingInput.Query,
            job.Workspace.Name,
            cancellationToken);
        job.EmbeddingTime = time.GetElapsedTime(started);
        return embedded[0].ToArray();
    }

    private async Task PlanAsync(SearchJob job, CancellationToken cancellationToken) =>
        job.Plan = await job.TimeAsync(planner.PlanAsync(
            job.WorkspaceId, job.Space, job.Filter, job.Request.Filter?.GetRawText() ?? "", finder.VectorsFor(job), job.Request.Recall, cancellationToken));

    // The query's vector while planning goes on; for hybrid search what is near it too, while postings are read on the other connection.
    private async Task LocateAsync(SearchJob job, Task planning, CancellationToken cancellationToken)
    {
        job.Vector = await (job.Embedding ?? EmbedAsync(job, cancellationToken)).WaitAsync(cancellationToken);
        await planning;
        if (job.Mode == SearchMode.Hybrid)
        {
            job.Nearest = await finder.FindNearestAsync(job, finder.FirstDepth(job), withPassages: false, cancellationToken);
        }
    }

    private async Task ReadPostingsAsync(SearchJob job, Task planning, CancellationToken cancellationToken)
    {
        if (job.Mode != SearchMode.Vector)
        {
            var similar = job.Request.Fuzzy
                ? await job.TimeAsync(lexical.FindSimilarAsync(job.WorkspaceId, job.Workspace.Language, job.Text.Words, cancellationToken))
                : [];
            job.Postings = await job.TimeAsync(
                lexical.ReadAsync(job.WorkspaceId, job.Workspace.Language, job.Text.Words, similar, cancellationToken));
        }

        await planning;
        if (job.Postings is not null && job.Filter is not null && job.Plan!.FewMatch)
        {
            job.Allowed = await job.TimeAsync(passages.FindMatchingAsync(job.WorkspaceId, job.Filter, cancellationToken));
        }
    }

    private static void Observe(Task task) =>
        _ = task.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);

    private async Task<(IReadOnlyList<SearchHit> Hits, long? Total)> FindAsync(SearchJob job, CancellationToken cancellationToken)
    {
        var request = job.Request;
        var total = request.Total ? await CountAsync(job, cancellationToken) : null;
        if (CandidateFinder.IsPlain(job))
        {
            var nearest = await finder.FindNearestAsync(job, job.Depth, withPassages: true, cancellationToken);
            return ([.. nearest.Select(hit => ToHit(hit.Passage!, 1 - hit.Distance)).Where(hit => !(hit.Score < request.MinScore))], total);
        }

        // Several passages of one document are one hit when grouped, so it may take more of them to fill the page.
        for (var depth = finder.FirstDepth(job); ; depth *= 4)
        {
            var list = await finder.FindAsync(job, depth, cancellationToken);
            var candidates = list.Candidates.Where(c => !(c.Score < request.MinScore)).ToList();
            var shown = request.GroupBy == SearchGrouping.Document ? RankFusion.BestOfDocuments(candidates) : candidates;
            if (list.IsAll || shown.Count >= job.Depth || candidates.Count < list.Candidates.Count)
            {
                return (await ReadAsync(job, shown, candidates, cancellationToken), total);
            }
        }
    }

    private async Task<IReadOnlyList<SearchHit>> ReadAsync(
        SearchJob job, List<Candidate> shown, List<Candidate> candidates, CancellationToken cancellationToken)
    {
        var request = job.Request;
        var page = shown.Skip(request.Offset).Take(request.Limit + CandidateFinder.Spare).ToList();
        if (page.Count == 0)
        {
            return [];
        }

        var others = new Dictionary<long, List<Candidate>>();
        if (request is { GroupBy: SearchGrouping.Document, Passages: > 1 })
        {
            foreach (var of in page)
            {
                others[of.ChunkId] = [.. candidates.Where(c => c.DocumentKey == of.DocumentKey && c.ChunkId != of.ChunkId).Take(request.Passages - 1)];
            }
        }

        var scores = candidates.ToDictionary(c => c.ChunkId, c => c.Score);
        var rows = await job.TimeAsync(passages.ReadAsync(
            job.WorkspaceId, [.. page.Concat(others.Values.SelectMany(o => o)).Select(c => c.ChunkId)], cancellationToken));
        var byId = rows.ToDictionary(row => row.ChunkId);
        return
        [
            .. page.Where(c => byId.ContainsKey(c.ChunkId)).Take(request.Limit).Select(c => ToHit(byId[c.ChunkId], c.Score) with
            {
                Passages = others.TryGetValue(c.ChunkId, out var more)
                    ? [.. more.Where(o => byId.ContainsKey(o.ChunkId)).Select(o => new SearchPassage(
                        o.ChunkId, byId[o.ChunkId].Ordinal, scores[o.ChunkId], byId[o.ChunkId].Text))]
                    : null,
            }),
        ];
    }

    private async Task<IReadOnlyList<SearchHit>> DecorateAsync(SearchJob job, IReadOnlyList<SearchHit> hits, CancellationToken cancellationToken)
    {
        long[] ids = [.. hits.Select(h => h.ChunkId)];
        if (job.Request.Highlight && ids.Length > 0 && job.Text.Words.Length > 0)
        {
            var excerpts = await job.TimeAsync(passages.HighlightAsync(
                job.WorkspaceId, ids, job.Workspace.Language, job.Text.Words, HighlightOptions, cancellationToken));
            hits = [.. hits.Select(hit => hit with { Highlights = excerpts.TryGetValue(hit.ChunkId, out var text) ? ToHtml(text) : [] })];
        }

        if (job.Request.Neighbors > 0 && ids.Length > 0)
        {
            var neighbors = await job.TimeAsync(passages.ReadNeighborsAsync(job.WorkspaceId, ids, job.Request.Neighbors, cancellationToken));
            hits = [.. hits.Select(hit => hit with
            {
                Neighbors = [.. neighbors[hit.ChunkId].Select(n => new SearchPassage(n.ChunkId, n.Ordinal, 0, n.Text))],
            })];
        }

        return hits;
    }

    private async Task<long?> CountAsync(SearchJob job, CancellationToken cancellationToken)
    {
        var byDocument = job.Request.GroupBy == SearchGrouping.Document;
        if (job.Mode == SearchMode.Keyword || job.Text.Phrases.Count > 0)
        {
            var ranking = Bm25Scorer.Rank(job.Postings!, int.MaxValue / 2, job.Allowed);
            var live = await job.TimeAsync(passages.FindLiveAsync(
                job.WorkspaceId,
                [.. ranking.Best.Select(s => s.LexicalId)],
                job.Allowed is null ? job.Filter : null,
                job.Text.Phrases,
                cancellationToken));
            return byDocument ? live.Select(row => row.DocumentKey).Distinct().Count() : live.Count;
        }

        var (chunks, documents) = await job.TimeAsync(vectors.CountAsync(job.WorkspaceId, job.Space, job.Filter, cancellationToken));
        return byDocument ? documents : chunks;
    }

    private static string[] ToHtml(string excerpts) =>
    [
        .. excerpts.Split('\u0004').Select(excerpt =>
            WebUtility.HtmlEncode(excerpt.Trim()).Replace("\u0002", "<mark>", StringComparison.Ordinal).Replace("\u0003", "</mark>", StringComparison.Ordinal)),
    ];

    private static SearchHit ToHit(PassageRow row, double score) => new(
        row.DocumentId, row.ChunkId, row.Ordinal, score, row.Title, row.Heading, row.Text, JsonElement.Parse(row.Metadata));
}
