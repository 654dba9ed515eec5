using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>
/// Answers searches at the database, as a chain of values: the query as it was read and its vector are given; it is planned, each source finds candidates, they
/// are fused and reordered to one ranking, a page is cut out of it, and what the page shows is read.
/// </summary>
internal sealed class Searcher(
    LexicalStore lexical,
    PassageStore passages,
    VectorSearch vectors,
    QueryPlanner planner,
    Ranker ranker,
    IOptions<SearchOptions> options,
    TimeProvider time)
{
    private readonly KeywordReader _keywords = new(lexical, passages);
    private readonly PassageReader _reader = new(passages);

    /// <summary>Answers a search.</summary>
    /// <param name="query">The search.</param>
    /// <param name="vector">Its vector; null when it compares none.</param>
    /// <param name="generation">The generation that the answer reflects at least: read before this is called.</param>
    /// <param name="trace">Takes down what happens.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    public async Task<SearchResponse> SearchAsync(
        SearchQuery query, float[]? vector, long generation, SearchTrace trace, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var planning = PlanAsync(query, query.IsPlain ? RankingDepths.NearestDepth : options.Value.FusionDepth, trace, cancellationToken);
        Task<KeywordPostings>? postings = null;
        try
        {
            // Postings are read while planning goes on, and while the nearest vectors are found.
            postings = query.ByKeyword ? _keywords.ReadAsync(query, planning, trace, cancellationToken) : null;
            var keyword = postings is null ? null : new KeywordSource(query, postings, passages, trace);
            var plan = await planning;
            var nearest = query.ByVector
                ? new VectorSource(
                    query, vector!, (depth, token) => PlanAsync(query, depth, trace, token), plan, vectors, options.Value, trace)
                : null;
            ICandidateSource[] sources = [.. new ICandidateSource?[] { keyword, nearest }.Where(s => s is not null).Select(s => s!)];

            var (ranking, known) = await ranker.RankAsync(query, sources, trace, cancellationToken);
            var page = RankedPage.Cut(query, ranking);
            var others = await OtherPassages.FindAsync(
                query, page, async (depth, documents) => (await ranker.FindAsync(query, sources, depth, documents, trace, cancellationToken)).Ranking);
            var total = query.Request.Total ? await CountAsync(query, keyword, trace, cancellationToken) : (long?)null;
            var lookedUp = postings is null ? null : (await postings).Postings;
            var hits = await _reader.ReadAsync(query, page, others, known, lookedUp?.Terms.Select(t => t.Term).ToList(), trace, cancellationToken);
            return new(
                hits,
                query.Mode,
                string.Join('+', sources.Select(s => s.Path)),
                query.Space.Id,
                generation,
                Cached: false,
                new(time.GetElapsedTime(started).TotalMilliseconds, trace.EmbeddingTime.TotalMilliseconds, trace.DatabaseTime.TotalMilliseconds),
                total,
                query.Request.Explain ? Explain(query, plan, lookedUp, keyword, trace) : null,
                trace.Degraded is { Count: > 0 } degraded ? degraded : null,
                lookedUp?.Ignored is { Count: > 0 } ignored ? ignored : null);
        }
        catch
        {
            // The first failure is the one to report; another one is of no interest, but has to be observed.
            Observe(planning);
            Observe(postings ?? Task.CompletedTask);
            throw;
        }
    }

    /// <summary>Sees to it that a failure nobody waits for any more is not reported as one that nobody has seen.</summary>
    internal static void Observe(Task task) =>
        _ = task.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);

    private Task<SearchPlan> PlanAsync(SearchQuery query, int depth, SearchTrace trace, CancellationToken cancellationToken) =>
        trace.ReadAsync(SearchStages.Plan, () => planner.PlanAsync(
            query.WorkspaceId, query.Space, query.Filter, query.FilterKey, depth, query.Request.Recall, cancellationToken));

    // Where vectors are compared, everything that meets the filter is a match, unless a phrase must be there.
    private async Task<long> CountAsync(SearchQuery query, KeywordSource? keyword, SearchTrace trace, CancellationToken cancellationToken)
    {
        if (keyword is not null && (query.Mode == SearchMode.Keyword || query.Text.Phrases.Count > 0))
        {
            return await keyword.CountAsync(cancellationToken);
        }

        var (chunks, documents) = await trace.ReadAsync(
            SearchStages.Count, () => vectors.CountAsync(query.WorkspaceId, query.Space, query.Filter, cancellationToken));
        return query.ByDocument ? documents : chunks;
    }

    private static SearchExplanation Explain(
        SearchQuery query, SearchPlan plan, LexicalQueryRow? postings, KeywordSource? keyword, SearchTrace trace) => new(
        plan.Chunks,
        Math.Round(plan.MatchingChunks, 1),
        plan.Chunks == 0 ? 1 : Math.Round(plan.MatchingChunks / plan.Chunks, 6),
        query.ByVector ? plan.Ef : 0,
        postings?.Terms.ToDictionary(t => t.Term, t => t.Documents) ?? [],
        keyword?.Decoded ?? 0,
        query.ByVector ? plan.Alternatives : [],
        trace.Stages.OrderBy(s => s.Key, StringComparer.Ordinal).ToDictionary(s => s.Key, s => s.Value.TotalMilliseconds));
}
