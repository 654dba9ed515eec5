using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Answers searches from the cache, or lets them be computed when it is their turn.</summary>
internal sealed class SearchService(
    WorkspaceStore workspaces,
    Searcher searcher,
    ResultCache cache,
    SearchGate gate,
    PopularQueries popular,
    SearchMetrics metrics,
    IOptions<SearchOptions> options,
    TimeProvider time)
{
    private static readonly TimeSpan s_generationWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_generationStep = TimeSpan.FromMilliseconds(20);

    /// <summary>Answers a search.</summary>
    /// <returns>The answer; null when the workspace does not exist any more. Without hits when it is older than the generation that was demanded.</returns>
    /// <exception cref="EmbeddingGatewayException">The query could not be embedded.</exception>
    /// <exception cref="SearchOverloadException">Too many wait already.</exception>
    /// <exception cref="OperationCanceledException">The deadline is over.</exception>
    public async Task<SearchResponse?> SearchAsync(SearchJob job, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var isComputed = job.Request.NoCache || job.Request.Explain;
        if (isComputed)
        {
            searcher.Prepare(job, cancellationToken);
        }

        // Before anything else is read: what is found is at least of this generation.
        if (await FindGenerationAsync(job, cancellationToken) is not { } generation)
        {
            return null;
        }

        if (generation < job.Request.MinGeneration)
        {
            return new([], job.Mode, "", job.Space.Id, generation, Cached: false, new(0, 0, 0));
        }

        var (response, cached) = isComputed
            ? (await ComputeAsync(job, generation, cancellationToken), false)
            : await FindOrComputeAsync(job, generation, count: true, cancellationToken);
        var duration = time.GetElapsedTime(started);
        metrics.Record(duration, job.Mode, cached);
        return cached
            ? response with { Cached = true, Timings = new(duration.TotalMilliseconds, 0, 0) }
            : response with { Timings = response.Timings with { Total = duration.TotalMilliseconds } };
    }

    /// <summary>Sees to it that a search's answer is in the cache. Does not count as a search.</summary>
    public async Task PrepareAsync(SearchJob job, CancellationToken cancellationToken)
    {
        if (await workspaces.FindGenerationAsync(job.WorkspaceId, cancellationToken) is { } generation)
        {
            await FindOrComputeAsync(job, generation, count: false, cancellationToken);
        }
    }

    private ValueTask<(SearchResponse Response, bool Cached)> FindOrComputeAsync(
        SearchJob job, long generation, bool count, CancellationToken cancellationToken)
    {
        var hash = ResultCache.HashOf(job.Request);
        if (count)
        {
            popular.Count(job.Workspace, job.Request, hash);
        }

        return cache.GetAsync(
            ResultCache.KeyOf(job, generation, hash), () => ComputeAsync(job, generation, CancellationToken.None), cancellationToken);
    }

    private async Task<SearchResponse> ComputeAsync(SearchJob job, long generation, CancellationToken cancellationToken) =>
        await gate.RunAsync(
            async () =>
            {
                using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                deadline.CancelAfter(options.Value.Timeout);
                return await searcher.SearchAsync(job, generation, deadline.Token);
            },
            cancellationToken);

    // A write's answer has its generation, and this database too: waiting is for those who ask a moment ahead.
    private async Task<long?> FindGenerationAsync(SearchJob job, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            var generation = await workspaces.FindGenerationAsync(job.WorkspaceId, cancellationToken);
            if (generation is null || !(generation < job.Request.MinGeneration) || time.GetElapsedTime(started) > s_generationWait)
            {
                return generation;
            }

            await Task.Delay(s_generationStep, time, cancellationToken);
        }
    }
}
