using System.Diagnostics;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Answers searches from the cache, or lets them be computed when it is their turn.</summary>
internal sealed class SearchService(
    WorkspaceStore workspaces,
    QueryEmbedder embedder,
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
    /// <param name="query">The search.</param>
    /// <param name="arrivedAt">When the request arrived, as a timestamp; null for now. The deadline counts from there.</param>
    /// <param name="cancellationToken">Cancels waiting.</param>
    /// <returns>The answer; null when the workspace does not exist any more. Without hits when it is older than the generation that was demanded.</returns>
    /// <exception cref="EmbeddingGatewayException">The query of a search by vector could not be embedded.</exception>
    /// <exception cref="SearchOverloadException">Too many wait already.</exception>
    /// <exception cref="TimeoutException">The deadline is over.</exception>
    public async Task<SearchResponse?> SearchAsync(SearchQuery query, long? arrivedAt, CancellationToken cancellationToken)
    {
        using var span = SearchSpans.Begin(query);
        using var deadline = new SearchDeadline(options.Value.Timeout, time, cancellationToken, arrivedAt);
        try
        {
            var response = await deadline.WaitAsync(AnswerAsync(query, deadline.Token));
            span.Answer(response);
            return response;
        }
        catch (Exception e)
        {
            span?.SetStatus(ActivityStatusCode.Error).SetTag("error.type", e.GetType().Name);
            throw;
        }
    }

    /// <summary>Sees to it that a search's answer is in the cache. Does not count as a search.</summary>
    public async Task PrepareAsync(SearchQuery query, CancellationToken cancellationToken)
    {
        if (query.IsRepeatable && await workspaces.FindGenerationAsync(query.WorkspaceId, cancellationToken) is { } generation)
        {
            await FindOrComputeAsync(query, generation, count: false, cancellationToken);
        }
    }

    private async Task<SearchResponse?> AnswerAsync(SearchQuery query, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var trace = new SearchTrace(time);
        var isComputed = query.Request.NoCache || query.Request.Explain || !query.IsRepeatable;

        // Of a search that is going to be computed, the query is embedded while its generation is read.
        var embedding = isComputed ? embedder.EmbedAsync(query, trace, cancellationToken) : null;
        Searcher.Observe(embedding ?? Task.CompletedTask);

        // Before anything else is read: what is found is at least of this generation.
        if (await FindGenerationAsync(query, cancellationToken) is not { } generation)
        {
            return null;
        }

        if (generation < query.Request.MinGeneration)
        {
            return new([], query.Mode, "", query.Space.Id, generation, Cached: false, new(0, 0, 0));
        }

        var (response, cached) = embedding is not null
            ? (await ComputeAsync(query, embedding, generation, trace, cancellationToken), false)
            : await FindOrComputeAsync(query, generation, count: true, cancellationToken);
        var duration = time.GetElapsedTime(started);
        metrics.Record(duration, query.Mode, cached);
        return cached
            ? response with { Cached = true, Timings = new(duration.TotalMilliseconds, 0, 0) }
            : response with { Timings = response.Timings with { Total = duration.TotalMilliseconds } };
    }

    private ValueTask<(SearchResponse Response, bool Cached)> FindOrComputeAsync(
        SearchQuery query, long generation, bool count, CancellationToken cancellationToken)
    {
        var hash = ResultCache.HashOf(query.Request);
        if (count)
        {
            popular.Count(query.Workspace, query.Request, hash);
        }

        return cache.GetAsync(ResultCache.KeyOf(query, generation, hash), () => ComputeForAllAsync(query, generation), cancellationToken);
    }

    // Not cancelled with who asked first, because others may wait for the same; but it has a deadline of its own.
    private async Task<SearchResponse> ComputeForAllAsync(SearchQuery query, long generation)
    {
        using var deadline = new SearchDeadline(options.Value.Timeout, time, CancellationToken.None);
        var trace = new SearchTrace(time);
        return await deadline.WaitAsync(
            ComputeAsync(query, embedder.EmbedAsync(query, trace, deadline.Token), generation, trace, deadline.Token));
    }

    // Its place at the database is taken when the vector is there: a slow provider keeps nobody else waiting.
    private async Task<SearchResponse> ComputeAsync(
        SearchQuery query, Task<float[]?> embedding, long generation, SearchTrace trace, CancellationToken cancellationToken)
    {
        var vector = await embedding;
        var answered = query.ByVector && vector is null ? query.ByKeywordOnly() : query;
        return await gate.RunAsync(
            () => searcher.SearchAsync(answered, vector, generation, trace, cancellationToken), cancellationToken);
    }

    // A write's answer has its generation, and this database too: waiting is for those who ask a moment ahead.
    private async Task<long?> FindGenerationAsync(SearchQuery query, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            var generation = await workspaces.FindGenerationAsync(query.WorkspaceId, cancellationToken);
            if (generation is null || !(generation < query.Request.MinGeneration) || time.GetElapsedTime(started) > s_generationWait)
            {
                return generation;
            }

            await Task.Delay(s_generationStep, time, cancellationToken);
        }
    }
}
