using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>What a search's plan is based on.</summary>
/// <param name="Plan">How vectors are found.</param>
/// <param name="Chunks">Live chunks of the workspace, a few seconds old at most.</param>
/// <param name="MatchingChunks">Estimate of those whose documents meet the filter.</param>
/// <param name="FewMatch">Whether so few meet it that listing them is cheaper than trying candidates one by one.</param>
internal sealed record SearchPlan(VectorPlan Plan, long Chunks, double MatchingChunks, bool FewMatch);

/// <summary>Chooses how vectors are found, by how many there are and how many of them meet the filter.</summary>
internal sealed class QueryPlanner(VectorSearch vectors, IOptions<SearchOptions> options, TimeProvider time)
{
    private const int MaxEntries = 20_000;

    private readonly ConcurrentDictionary<(int Workspace, int Space), Entry> _statistics = new();

    /// <summary>Plans a search.</summary>
    public async Task<SearchPlan> PlanAsync(int workspaceId, SpaceRow space, Filter? filter, CancellationToken cancellationToken)
    {
        var statistics = await GetStatisticsAsync(workspaceId, space, cancellationToken);
        var exact = options.Value.ExactVectors;
        if (filter is null || statistics.Chunks <= exact)
        {
            var plan = statistics.Chunks <= exact || !statistics.HasIndex ? VectorPlan.ExactWorkspace : VectorPlan.Hnsw;
            return new(plan, statistics.Chunks, statistics.Chunks, statistics.Chunks <= exact);
        }

        // Documents are counted up to the number from which on the plan is the same anyway.
        var enough = (int)Math.Ceiling(exact / statistics.ChunksADocument) + 1;
        var documents = await vectors.CountDocumentsAsync(workspaceId, filter, enough, cancellationToken);
        var few = documents < enough;
        return new(
            few ? VectorPlan.ExactFilterFirst : statistics.HasIndex ? VectorPlan.Hnsw : VectorPlan.ExactWorkspace,
            statistics.Chunks,
            documents * statistics.ChunksADocument,
            few);
    }

    private async ValueTask<VectorStatistics> GetStatisticsAsync(int workspaceId, SpaceRow space, CancellationToken cancellationToken)
    {
        if (_statistics.TryGetValue((workspaceId, space.SpaceId), out var entry)
            && time.GetElapsedTime(entry.ReadAt) < options.Value.StatisticsLifetime)
        {
            return entry.Statistics;
        }

        var statistics = await vectors.GetStatisticsAsync(workspaceId, space, cancellationToken);
        if (_statistics.Count >= MaxEntries)
        {
            _statistics.Clear();
        }

        _statistics[(workspaceId, space.SpaceId)] = new(statistics, time.GetTimestamp());
        return statistics;
    }

    private sealed record Entry(VectorStatistics Statistics, long ReadAt);
}
