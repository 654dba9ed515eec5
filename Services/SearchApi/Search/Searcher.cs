using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Answers searches: plans, finds candidates by keyword and by vector, fuses them, and reads the passages.</summary>
internal sealed class Searcher(
    WorkspaceStore workspaces,
    LexicalStore lexical,
    PassageStore passages,
    VectorSearch vectors,
    QueryPlanner planner,
    EmbeddingGatewayClient embeddings,
    IOptions<SearchOptions> options,
    TimeProvider time)
{
    // Passages that vanish between being ranked and being read leave no gap in the page as long as there are spare ones.
    private const int Spare = 5;

    /// <summary>Answers a search.</summary>
    /// <param name="workspace">The workspace; its generation may be old.</param>
    /// <param name="request">A valid request.</param>
    /// <param name="filter">Its filter.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <returns>The answer; null when the workspace does not exist any more.</returns>
    /// <exception cref="EmbeddingGatewayException">The query could not be embedded.</exception>
    public async Task<SearchResponse?> SearchAsync(
        WorkspaceRow workspace, SearchRequest request, Filter? filter, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var search = new Search(workspace, request, filter);
        var embedding = request.Mode == SearchMode.Keyword ? null : EmbedAsync(search, cancellationToken);
        long? generation;
        try
        {
            // Before anything is read: what is found is at least of this generation.
            generation = await search.TimeAsync(workspaces.FindGenerationAsync(workspace.WorkspaceId, cancellationToken), time);
            if (generation is null)
            {
                return null;
            }

            var reading = request.Mode == SearchMode.Vector ? null : ReadPostingsAsync(search, cancellationToken);
            search.Plan = await search.TimeAsync(planner.PlanAsync(workspace.WorkspaceId, workspace.Serving, filter, cancellationToken), time);
            search.Postings = reading is null ? null : await reading;
            if (search.Postings is not null && filter is not null && search.Plan.FewMatch)
            {
                search.Allowed = await search.TimeAsync(
                    passages.FindMatchingAsync(workspace.WorkspaceId, filter, cancellationToken), time);
            }

            search.Vector = embedding is null ? null : await embedding;
        }
        finally
        {
            // The first failure is the one to report; another one is of no interest, but has to be observed.
            _ = embedding?.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }

        var hits = await FindAsync(search, cancellationToken);
        return new(
            hits,
            request.Mode,
            search.DescribePlan(),
            workspace.Serving.Id,
            generation.Value,
            Cached: false,
            new(
                time.GetElapsedTime(started).TotalMilliseconds,
                search.EmbeddingTime.TotalMilliseconds,
                search.DatabaseTime.TotalMilliseconds));
    }

    private async Task<float[]> EmbedAsync(Search search, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var space = search.Workspace.Serving;
        var vectors = await embeddings.EmbedAsync(
            new(space.Model, space.Revision, space.Dimensions, space.Normalized, space.QueryPrompt, space.DocumentPrompt, space.MaxTokens, space.Lexical),
            space.Id,
            [search.Request.Query],
            EmbeddingInput.Query,
            search.Workspace.Name,
            cancellationToken);
        search.EmbeddingTime = time.GetElapsedTime(started);
        return vectors[0].ToArray();
    }

    private async Task<LexicalQueryRow> ReadPostingsAsync(Search search, CancellationToken cancellationToken) =>
        await search.TimeAsync(
            lexical.ReadAsync(search.Workspace.WorkspaceId, search.Workspace.Language, search.Request.Query, cancellationToken), time);

    private async Task<IReadOnlyList<SearchHit>> FindAsync(Search search, CancellationToken cancellationToken)
    {
        var request = search.Request;
        var wanted = request.Offset + request.Limit;
        if (request is { Mode: SearchMode.Vector, GroupBy: SearchGrouping.Passage, Offset: 0 })
        {
            var nearest = await FindNearestAsync(search, wanted, withPassages: true, cancellationToken);
            return [.. nearest.Select(hit => ToHit(hit.Passage!, 1 - hit.Distance)).Where(hit => !(hit.Score < request.MinScore))];
        }

        // Several passages of one document are one hit when grouped, so it may take more of them to fill the page.
        for (var depth = request.GroupBy == SearchGrouping.Document ? wanted * 3 : wanted; ; depth *= 4)
        {
            var (candidates, isAll) = await RankAsync(search, depth + Spare, cancellationToken);
            if (request.GroupBy == SearchGrouping.Document)
            {
                candidates = RankFusion.BestOfDocuments(candidates);
            }

            if (isAll || candidates.Count >= wanted)
            {
                return await ReadAsync(search, candidates, cancellationToken);
            }
        }
    }

    private async Task<(List<Candidate> Candidates, bool IsAll)> RankAsync(Search search, int depth, CancellationToken cancellationToken)
    {
        if (search.Request.Mode == SearchMode.Hybrid)
        {
            depth = Math.Max(depth, options.Value.FusionDepth);
            var weight = search.Workspace.Serving.Lexical ? options.Value.LexicalWeight : options.Value.SemanticWeight;
            var byVector = FindByVectorAsync(search, depth, cancellationToken);
            var byKeyword = FindByKeywordAsync(search, depth, cancellationToken);
            await Task.WhenAll(byVector, byKeyword);
            var (near, allNear) = await byVector;
            var (matching, allMatching) = await byKeyword;
            return (RankFusion.ReciprocalRank([(matching, 1), (near, weight)], options.Value.FusionRank), allNear && allMatching);
        }

        return search.Request.Mode == SearchMode.Vector
            ? await FindByVectorAsync(search, depth, cancellationToken)
            : await FindByKeywordAsync(search, depth, cancellationToken);
    }

    private async Task<(List<Candidate> Candidates, bool IsAll)> FindByVectorAsync(Search search, int depth, CancellationToken cancellationToken)
    {
        var nearest = await FindNearestAsync(search, depth, withPassages: false, cancellationToken);
        return ([.. nearest.Select(hit => new Candidate(hit.ChunkId, hit.DocumentKey, 1 - hit.Distance))], nearest.Count < depth);
    }

    // Always min(limit, matches): what an index scan did not find is found by comparing all.
    private async Task<IReadOnlyList<VectorHitRow>> FindNearestAsync(
        Search search, int limit, bool withPassages, CancellationToken cancellationToken)
    {
        var query = new VectorQuery(
            search.Workspace.WorkspaceId,
            search.Workspace.Serving,
            search.Vector!,
            search.Filter,
            limit,
            Math.Clamp(Math.Max(options.Value.EfSearch, limit), 1, 1000),
            options.Value.MaxScanTuples);
        search.VectorPlan = search.Plan!.Plan;
        var nearest = await search.TimeAsync(vectors.FindAsync(query, search.VectorPlan, withPassages, cancellationToken), time);
        if (search.VectorPlan == VectorPlan.Hnsw && nearest.Count < limit)
        {
            search.VectorPlan = search.Filter is null ? VectorPlan.ExactWorkspace : VectorPlan.ExactFilterFirst;
            search.FellBack = true;
            nearest = await search.TimeAsync(vectors.FindAsync(query, search.VectorPlan, withPassages, cancellationToken), time);
        }

        return nearest;
    }

    private async Task<(List<Candidate> Candidates, bool IsAll)> FindByKeywordAsync(Search search, int depth, CancellationToken cancellationToken)
    {
        // Some of the best may be dead or not meet the filter: ask for more until enough are left.
        for (var k = depth + (depth / 4) + 20; ; k *= 8)
        {
            var ranking = Bm25Scorer.Rank(search.Postings!, k, search.Allowed);
            var live = await search.TimeAsync(
                passages.FindLiveAsync(
                    search.Workspace.WorkspaceId,
                    [.. ranking.Best.Select(s => s.LexicalId)],
                    search.Allowed is null ? search.Filter : null,
                    cancellationToken),
                time);
            if (live.Count >= depth || ranking.IsAll)
            {
                return ([.. live.Take(depth).Select(row => new Candidate(row.ChunkId, row.DocumentKey, ranking.Best[(int)row.Rank - 1].Score))],
                    ranking.IsAll && live.Count <= depth);
            }
        }
    }

    private async Task<IReadOnlyList<SearchHit>> ReadAsync(Search search, List<Candidate> candidates, CancellationToken cancellationToken)
    {
        var request = search.Request;
        var page = candidates.Where(c => !(c.Score < request.MinScore)).Skip(request.Offset).Take(request.Limit + Spare).ToList();
        if (page.Count == 0)
        {
            return [];
        }

        var scores = page.ToDictionary(c => c.ChunkId, c => c.Score);
        var rows = await search.TimeAsync(
            passages.ReadAsync(search.Workspace.WorkspaceId, [.. page.Select(c => c.ChunkId)], cancellationToken), time);
        return [.. rows.Take(request.Limit).Select(row => ToHit(row, scores[row.ChunkId]))];
    }

    private static SearchHit ToHit(PassageRow row, double score) => new(
        row.DocumentId, row.ChunkId, row.Ordinal, score, row.Title, row.Heading, row.Text, JsonElement.Parse(row.Metadata));

    /// <summary>A search on its way.</summary>
    private sealed class Search(WorkspaceRow workspace, SearchRequest request, Filter? filter)
    {
        private long _databaseTicks;

        public WorkspaceRow Workspace { get; } = workspace;

        public SearchRequest Request { get; } = request;

        public Filter? Filter { get; } = filter;

        public SearchPlan? Plan { get; set; }

        public LexicalQueryRow? Postings { get; set; }

        public IReadOnlySet<long>? Allowed { get; set; }

        public float[]? Vector { get; set; }

        public VectorPlan VectorPlan { get; set; }

        public bool FellBack { get; set; }

        public TimeSpan EmbeddingTime { get; set; }

        public TimeSpan DatabaseTime => TimeSpan.FromTicks(Volatile.Read(ref _databaseTicks));

        public async Task<T> TimeAsync<T>(Task<T> work, TimeProvider time)
        {
            var started = time.GetTimestamp();
            var result = await work;
            Interlocked.Add(ref _databaseTicks, time.GetElapsedTime(started).Ticks);
            return result;
        }

        /// <summary>The access paths, as <c>bm25+hnsw</c>; <c>hnsw>exact</c> when the index did not find enough.</summary>
        public string DescribePlan()
        {
            var byVector = (FellBack ? "hnsw>" : "") + VectorPlan switch
            {
                VectorPlan.ExactFilterFirst => "exact-filtered",
                VectorPlan.Hnsw => "hnsw",
                _ => "exact",
            };
            var byKeyword = Allowed is null ? "bm25" : "bm25-filtered";
            return Request.Mode switch
            {
                SearchMode.Keyword => byKeyword,
                SearchMode.Vector => byVector,
                SearchMode.Hybrid => $"{byKeyword}+{byVector}",
                _ => throw new UnreachableException(),
            };
        }
    }
}
