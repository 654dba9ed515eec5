using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Candidates by the nearest vectors: always as many as were asked for, if there are so many. What an index did not find is found by comparing all.</summary>
/// <param name="query">The search.</param>
/// <param name="vector">The query's vector.</param>
/// <param name="plan">Plans a depth.</param>
/// <param name="first">The plan of the first depth.</param>
/// <param name="vectors">Finds vectors in the database.</param>
/// <param name="options">Weights, and the time limit.</param>
/// <param name="trace">The search's trace.</param>
internal sealed class VectorSource(
    SearchQuery query,
    float[] vector,
    Func<int, CancellationToken, Task<SearchPlan>> plan,
    SearchPlan first,
    VectorSearch vectors,
    SearchOptions options,
    SearchTrace trace) : ICandidateSource
{
    private VectorPlan _path = first.Plan;
    private VectorPlan? _fellBackFrom;

    /// <inheritdoc />
    public bool IsExact => first.Plan is not (VectorPlan.Hnsw or VectorPlan.PartialHnsw);

    /// <inheritdoc />
    public string Path => (_fellBackFrom is { } index ? QueryPlanner.Describe(index) + ">" : "") + QueryPlanner.Describe(_path);

    /// <inheritdoc />
    public async Task<SourceRanking> FindAsync(int depth, IReadOnlySet<long>? documents, CancellationToken cancellationToken)
    {
        if (documents is not null)
        {
            Filter of = new DocumentKeyFilter([.. documents]);
            var within = Query(await plan(depth, cancellationToken), query.Filter is { } filter ? new AndFilter([of, filter]) : of, depth, shown: 0);
            return Ranked(await FindAsync(within, VectorPlan.ExactFilterFirst, cancellationToken), depth);
        }

        // The answer of the simplest searches is read in the same round trip.
        var shown = query is { IsPlain: true, ByDocument: false, Request.Offset: 0 } && query.Need <= depth ? query.Request.Limit : 0;
        var planned = await plan(depth, cancellationToken);
        var wanted = Query(planned, query.Filter, depth, shown);
        _path = planned.Plan;
        var result = await FindAsync(wanted, planned.Plan, cancellationToken);
        if (planned.Plan is VectorPlan.Hnsw or VectorPlan.PartialHnsw && result.Candidates < depth + planned.Spare)
        {
            // Too few of the query's neighbours meet the conditions, as when a filter leaves out just what the query is about.
            (_fellBackFrom, _path) = (planned.Plan, query.Filter is null ? VectorPlan.ExactWorkspace : VectorPlan.ExactFilterFirst);
            result = await FindAsync(wanted, _path, cancellationToken);
        }

        return Ranked(result, shown > 0 ? shown : depth);
    }

    private Task<VectorResult> FindAsync(VectorQuery wanted, VectorPlan path, CancellationToken cancellationToken) =>
        trace.ReadAsync(SearchStages.Vector, () => vectors.FindAsync(wanted, path, withPassages: wanted.Shown > 0, cancellationToken));

    private VectorQuery Query(SearchPlan planned, Filter? filter, int depth, int shown) => new(
        query.WorkspaceId,
        query.Space,
        vector,
        filter,
        depth,
        Math.Clamp(Math.Max(planned.Ef, depth), 1, 1000),
        Math.Max(planned.Scan, depth),
        (int)options.Timeout.TotalMilliseconds,
        planned.HalfIndex)
    {
        Shown = shown,
    };

    private SourceRanking Ranked(VectorResult result, int wanted) => new(
        new([.. result.Hits.Select(hit => new Candidate(hit.ChunkId, hit.DocumentKey, 1 - hit.Distance))], result.Hits.Count < wanted),
        query.Request.VectorWeight ?? options.VectorWeight(query.Space.Lexical, query.Request.Fusion),
        Passages: result.Hits.Where(hit => hit.Passage is not null).ToDictionary(hit => hit.ChunkId, hit => hit.Passage!));
}
