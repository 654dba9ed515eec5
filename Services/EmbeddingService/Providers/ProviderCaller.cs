using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Providers;

/// <summary>
/// Calls providers: packs texts into batches, repeats what may succeed, turns to another endpoint of the same space, and has a text that a provider
/// refuses found among its neighbours.
/// </summary>
internal sealed partial class ProviderCaller(EndpointCaller caller, ImpostorWatch impostors, TimeProvider time, ILogger<ProviderCaller> logger)
{
    // Of one text that failed while its neighbours did not: a provider may fail by chance.
    private const int IsolatedAttempts = 3;

    private static readonly TimeSpan s_firstBackoff = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_maxInteractiveWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_maxBulkWait = TimeSpan.FromSeconds(60);

    /// <summary>Embeds texts. Those that nobody waits for any more, and those that another flight brings, are left out: their flights do not land.</summary>
    /// <param name="flights">The texts.</param>
    /// <param name="order">What for. It is told the fate of every other text before the task ends.</param>
    public async Task CallAsync(IReadOnlyList<Flight> flights, ProviderOrder order)
    {
        var model = order.Target.Model;
        var options = model.Endpoints[0].Options;
        var most = model.Endpoints.Min(endpoint => Math.Min(options.MaxBatch, endpoint.State.MaxTexts(time)));
        var all = flights.ToArray();
        var batches = Pack([.. all.Select(flight => flight.EstimatedTokens)], most, options.MaxBatchTokens)
            .Select(batch => (IReadOnlyList<Flight>)new ArraySegment<Flight>(all, batch.Start, batch.Count)).ToList();
        if (!model.Definition.InProcess)
        {
            await impostors.ReadyAsync();
        }

        // One request does not fill the queue of all.
        await (batches.Count == 1
            ? RunAsync(batches[0], order)
            : Parallel.ForEachAsync(
                batches, new ParallelOptions { MaxDegreeOfParallelism = options.MaxInFlight }, async (batch, _) => await RunAsync(batch, order)));
    }

    /// <summary>Cuts a list of texts, without changing its order, into batches of at most so many texts and tokens.</summary>
    internal static IEnumerable<(int Start, int Count)> Pack(IReadOnlyList<int> estimates, int maxTexts, int maxTokens)
    {
        var (start, tokens) = (0, 0L);
        for (var i = 0; i < estimates.Count; i++)
        {
            if (i > start && (i - start == maxTexts || tokens + estimates[i] > maxTokens))
            {
                yield return (start, i - start);
                (start, tokens) = (i, 0);
            }

            tokens += estimates[i];
        }

        if (start < estimates.Count)
        {
            yield return (start, estimates.Count - start);
        }
    }

    /// <summary>Sends texts, with attempts and failover.</summary>
    /// <exception cref="ProviderException">Why none of them has a vector; <see cref="ProviderFailure.Rejected"/> when it is about the texts.</exception>
    internal async Task TryAsync(ProviderOrder order, IReadOnlyList<Flight> flights)
    {
        var model = order.Target.Model;
        var endpoints = model.Endpoints;
        var (tried, started) = (0, time.GetTimestamp());
        ModelEndpoint? asked = null;
        ProviderException? last = null;
        for (var attempt = 1; ; attempt++)
        {
            if (Choose(endpoints, ref tried) is not { } endpoint)
            {
                throw last is null
                    ? new ProviderException(ProviderFailure.Transient, $"No endpoint of the model '{model.Definition.Name}' is in use at the moment.")
                    {
                        RetryAfter = TimeSpan.FromSeconds(5),
                    }
                    : await FinallyAsync(order, asked!, last);
            }

            try
            {
                asked = endpoint;
                await caller.CallAsync(endpoint, order, flights, RestOf(order, flights, started), again: attempt > 1 || order.Isolating);
                return;
            }
            catch (ProviderException e) when (e.Failure != ProviderFailure.Rejected)
            {
                last = e;
            }

            if (endpoints.Count > 1 && endpoints.Any(other => other.CanTry && (tried & (1 << other.Index)) == 0))
            {
                LogFailover(model.Definition.Name, endpoint.Provider, last.Message);
                continue;
            }

            var delay = Delay(attempt, last.RetryAfter);
            if (last.Failure is not (ProviderFailure.Transient or ProviderFailure.RateLimited)
                || attempt >= MaxAttempts(order, flights, endpoint)
                || (last.Failure == ProviderFailure.RateLimited && delay > ProviderChannel.MaxBlockedWait)
                || delay > RestOf(order, flights, started))
            {
                throw await FinallyAsync(order, endpoint, last);
            }

            LogRetry(model.Definition.Name, endpoint.Provider, attempt, delay.TotalMilliseconds, last.Message);
            await Task.Delay(delay, time, order.Deserted);
            tried = 0;
        }
    }

    private static int MaxAttempts(ProviderOrder order, IReadOnlyList<Flight> flights, ModelEndpoint endpoint) =>
        !order.Isolating ? endpoint.Options.MaxAttempts : flights.Count > 1 ? 1 : Math.Min(IsolatedAttempts, endpoint.Options.MaxAttempts);

    private async Task RunAsync(IReadOnlyList<Flight> batch, ProviderOrder order)
    {
        while (batch.Count > 0)
        {
            using var watch = new FlightWatch(batch);
            try
            {
                await new RefusalSearch(this, caller, order with { Deserted = watch.Deserted }, time, logger).RunAsync(batch);
                return;
            }
            catch (OperationCanceledException) when (watch.Deserted.IsCancellationRequested)
            {
                // Somebody may have joined one of them since.
                batch = [.. batch.Where(flight => !flight.Task.IsCompleted && !flight.TryClose())];
            }
        }
    }

    // A provider that fails with these texts, and answers others, is not away: it is the texts. One that says when to come back is just busy.
    private async Task<ProviderException> FinallyAsync(ProviderOrder order, ModelEndpoint endpoint, ProviderException last) =>
        last is { Failure: ProviderFailure.Transient, Status: >= 500, RetryAfter: null } && await caller.ProbeAsync(endpoint, order.Target) is null
            ? new ProviderException(ProviderFailure.Rejected, $"The provider fails with status {last.Status}, and answers other texts.", last) { Status = last.Status }
            : last;

    // All waits together: for a place, for an endpoint that asked to be left alone, between attempts.
    private TimeSpan RestOf(ProviderOrder order, IReadOnlyList<Flight> flights, long started)
    {
        var rest = (order.IsUrgent(flights) ? s_maxInteractiveWait : s_maxBulkWait) - time.GetElapsedTime(started);
        return rest > TimeSpan.Zero ? rest : TimeSpan.Zero;
    }

    // The first endpoint, in the order of preference, that was not tried in this round and whose breaker lets a call through.
    private static ModelEndpoint? Choose(IReadOnlyList<ModelEndpoint> endpoints, ref int tried)
    {
        foreach (var endpoint in endpoints)
        {
            var bit = 1 << endpoint.Index;
            if ((tried & bit) == 0 && !endpoint.State.Impostor && endpoint.Breaker.TryEnter())
            {
                tried |= bit;
                return endpoint;
            }
        }

        return null;
    }

    // Full jitter: callers that failed together do not come back together.
    private static TimeSpan Delay(int attempt, TimeSpan? retryAfter)
    {
        var ceiling = s_firstBackoff * Math.Pow(2, attempt - 1);
        var jitter = ceiling * (0.5 + (Random.Shared.NextDouble() * 0.5));
        return retryAfter is { } wait ? wait + (s_firstBackoff * Random.Shared.NextDouble()) : jitter;
    }

    [LoggerMessage(2, LogLevel.Warning, "Model {Model}: endpoint {Provider} failed ({Reason}); asking another one of the same space")]
    private partial void LogFailover(string model, string provider, string reason);

    [LoggerMessage(3, LogLevel.Information, "Model {Model}: call {Attempt} of endpoint {Provider} failed, next in {DelayMilliseconds} ms: {Reason}")]
    private partial void LogRetry(string model, string provider, int attempt, double delayMilliseconds, string reason);
}
