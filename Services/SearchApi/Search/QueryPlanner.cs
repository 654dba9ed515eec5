using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>How a search finds the nearest vectors, and what that is based on.</summary>
/// <param name="Plan">The access path.</param>
/// <param name="Ef">How many candidates the index keeps while it looks.</param>
/// <param name="Scan">How many of the index's nearest vectors are looked at.</param>
/// <param name="Spare">How many more than wanted must be among them, for the last one wanted not to lie where the index misses more.</param>
/// <param name="Chunks">Live chunks of the workspace, a few seconds old at most.</param>
/// <param name="MatchingChunks">Estimate of those whose documents meet the filter.</param>
/// <param name="FewMatch">Whether so few meet it that listing them is cheaper than trying candidates one by one.</param>
/// <param name="Alternatives">All that was considered, the chosen one first.</param>
internal sealed record SearchPlan(
    VectorPlan Plan,
    int Ef,
    int Scan,
    int Spare,
    long Chunks,
    double MatchingChunks,
    bool FewMatch,
    IReadOnlyList<SearchAlternative> Alternatives)
{
    /// <summary>Whether the index is of half precision.</summary>
    public bool HalfIndex { get; init; }
}

/// <summary>Chooses how vectors are found, by how many there are and how many of them meet the filter.</summary>
internal sealed class QueryPlanner(PlannerStore store, IOptions<SearchOptions> options, TimeProvider time)
{
    // Measured at 384 dimensions, in the time that an exact comparison takes behind a filter: reading documents first costs as much as the vector.
    private const double ScanCost = 0.6;
    private const double CandidateCost = 2.4;
    private const double IterationCost = 1.5;

    // Enough for a recall of 0.99 in an index of so many vectors. The more there are, the more of them are as near as those that are wanted.
    private const int BalancedEf = 320;
    private const double BalancedRows = 20_000;
    private const double EfGrowth = 0.6;

    private const int MaxEf = 1_000;

    // Of the candidates that the index keeps, so many of the nearest are found with hardly a gap.
    private const int MaxSureEf = MaxEf / 2;

    private const int MaxScan = 20_000;

    private const int MinSpareRows = 20;

    private const int MaxEntries = 20_000;

    private readonly ConcurrentDictionary<(int Workspace, int Space), (VectorStatistics Statistics, long ReadAt)> _statistics = new();

    private readonly ConcurrentDictionary<(int Workspace, string Filter), (double Share, long Counted, long ReadAt)> _estimates = new();

    /// <summary>Plans a search.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="space">The space that is searched.</param>
    /// <param name="filter">Its filter, or null.</param>
    /// <param name="filterText">The filter as it was written; estimates are remembered by it.</param>
    /// <param name="limit">How many vectors are wanted.</param>
    /// <param name="recall">How much may be missed.</param>
    /// <param name="cancellationToken">Cancels planning.</param>
    public async Task<SearchPlan> PlanAsync(
        int workspaceId, SpaceRow space, Filter? filter, string filterText, int limit, SearchRecall recall, CancellationToken cancellationToken)
    {
        var statistics = await GetStatisticsAsync(workspaceId, space, cancellationToken);
        if (filter is null)
        {
            return Choose(statistics, statistics.Chunks, hasFilter: false, limit, recall);
        }

        var enough = (int)(options.Value.ExactVectors / statistics.ChunksADocument) + 1;
        var (share, counted) = await EstimateAsync(workspaceId, filter, filterText, enough, statistics.Sample, cancellationToken);
        var matching = counted < enough
            ? counted * statistics.ChunksADocument
            : Math.Max(counted * statistics.ChunksADocument, share * statistics.Chunks);
        return Choose(statistics, Math.Min(matching, statistics.Chunks), hasFilter: true, limit, recall) with { FewMatch = counted < enough };
    }

    /// <summary>Chooses among the access paths.</summary>
    internal static SearchPlan Choose(VectorStatistics statistics, double matching, bool hasFilter, int limit, SearchRecall recall)
    {
        var (baseEf, spare) = recall switch
        {
            SearchRecall.Fast => (40, 10),
            SearchRecall.High => (500, 240),
            _ => (BalancedEf, 60),
        };
        spare = limit > 50 ? limit / 3 : spare;
        var candidates = limit + spare;

        // So many are read of what the index finds: the nearest of its candidates, each of which costs a row, and the others only make them sure.
        var read = limit + Math.Min(spare, Math.Max(MinSpareRows, limit / 3));
        var rows = Math.Max(statistics.TableRows, statistics.Chunks);
        var all = new List<(VectorPlan Plan, int Ef, int Scan, SearchAlternative Alternative)>();
        var scan = statistics.Chunks * (hasFilter ? 1 + ScanCost : ScanCost);
        Add(VectorPlan.ExactWorkspace, 0, 0, scan, "compares every vector of the workspace");
        if (hasFilter)
        {
            Add(VectorPlan.ExactFilterFirst, 0, 0, matching, "finds the documents that meet the filter, and compares their vectors");
        }

        if (recall != SearchRecall.Exact)
        {
            AddIndex(VectorPlan.Hnsw, statistics.HasIndex, statistics.HalfIndex, rows);
            AddIndex(VectorPlan.PartialHnsw, statistics.HasPartialIndex, statistics.HalfPartialIndex, statistics.Chunks);
        }

        all.Sort((a, b) => a.Alternative.Cost.CompareTo(b.Alternative.Cost));
        var (plan, ef, rowsRead, _) = all[0];
        return new(
            plan,
            ef,
            rowsRead,
            // Half of what is to be expected: fewer say that the filter has to do with the query, and that what is near lies far down the list.
            Math.Max(1, ((rowsRead > MaxEf ? candidates : read) / 2) - limit),
            statistics.Chunks,
            matching,
            FewMatch: false,
            [.. all.Select(a => a.Alternative)])
        {
            HalfIndex = plan == VectorPlan.PartialHnsw ? statistics.HalfPartialIndex : statistics.HalfIndex,
        };

        void AddIndex(VectorPlan index, bool exists, bool half, double size)
        {
            if (!exists)
            {
                return;
            }

            // So many have to be visited until enough of them meet the conditions.
            var share = Math.Max(matching / Math.Max(1, size), 1e-9);
            var growth = recall == SearchRecall.Fast ? 1 : Math.Pow(Math.Max(1, size / BalancedRows), EfGrowth);
            var least = recall == SearchRecall.High ? baseEf * growth : Math.Min(MaxEf, baseEf * growth);
            var visited = Math.Max(least, candidates / share);
            if (visited > MaxEf && recall != SearchRecall.High && read / share <= MaxSureEf)
            {
                // Fewer to spare, but all of them in one round.
                visited = MaxEf;
            }

            var ef = (int)Math.Min(visited, MaxEf);

            // Beyond what the index keeps at once, rows come in rounds that are not in order among each other: all of them are read.
            var rows = (int)Math.Min(visited <= MaxEf ? Math.Ceiling(read / share) : visited, MaxScan);
            Add(index, ef, rows, CandidateCost * (visited <= MaxEf ? visited : visited * IterationCost),
                $"looks at the nearest {rows} of the index{(half ? " of half precision" : "")}, {(visited <= MaxEf ? read : candidates)} of which are to be expected to meet the conditions");
        }

        void Add(VectorPlan path, int ef, int scan, double cost, string reason) => all.Add((path, ef, scan, new(Describe(path), Math.Round(cost, 1), reason)));
    }

    /// <summary>The name of an access path in answers.</summary>
    public static string Describe(VectorPlan plan) => plan switch
    {
        VectorPlan.ExactFilterFirst => "exact-filtered",
        VectorPlan.Hnsw => "hnsw",
        VectorPlan.PartialHnsw => "hnsw-workspace",
        _ => "exact",
    };

    private async ValueTask<VectorStatistics> GetStatisticsAsync(int workspaceId, SpaceRow space, CancellationToken cancellationToken)
    {
        if (_statistics.TryGetValue((workspaceId, space.SpaceId), out var entry) && IsFresh(entry.ReadAt))
        {
            return entry.Statistics;
        }

        var statistics = await store.GetStatisticsAsync(workspaceId, space, cancellationToken);
        if (_statistics.Count >= MaxEntries)
        {
            _statistics.Clear();
        }

        _statistics[(workspaceId, space.SpaceId)] = (statistics, time.GetTimestamp());
        return statistics;
    }

    private async ValueTask<(double Share, long Counted)> EstimateAsync(
        int workspaceId, Filter filter, string filterText, int enough, long[] sample, CancellationToken cancellationToken)
    {
        if (_estimates.TryGetValue((workspaceId, filterText), out var entry) && IsFresh(entry.ReadAt))
        {
            return (entry.Share, entry.Counted);
        }

        var (counted, inSample) = await store.EstimateAsync(workspaceId, filter, enough, sample, cancellationToken);
        if (_estimates.Count >= MaxEntries)
        {
            _estimates.Clear();
        }

        var share = sample.Length == 0 ? 0 : (double)inSample / sample.Length;
        _estimates[(workspaceId, filterText)] = (share, counted, time.GetTimestamp());
        return (share, counted);
    }

    private bool IsFresh(long readAt) => time.GetElapsedTime(readAt) < options.Value.StatisticsLifetime;
}
