using Microsoft.Extensions.AI;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers.OpenAi;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Providers;

/// <summary>What became of one text.</summary>
/// <param name="Vector">Its vector; null when there is an error.</param>
/// <param name="Tokens">Its tokens.</param>
/// <param name="Error">Why there is no vector.</param>
internal readonly record struct ProviderItem(float[]? Vector, int Tokens, ProviderException? Error);

/// <summary>
/// Calls providers: packs texts into batches, keeps to limits, repeats what may succeed, turns to another endpoint of the same space, and isolates a
/// text that a provider refuses from its neighbours.
/// </summary>
internal sealed partial class ProviderCaller(ImpostorWatch impostors, TimeProvider time, ILogger<ProviderCaller> logger)
{
    private static readonly TimeSpan s_firstBackoff = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_maxInteractiveWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_maxBulkWait = TimeSpan.FromSeconds(60);

    /// <summary>Embeds texts. Those that nobody waits for any more, and those that another flight brings, are left out: their flights do not land.</summary>
    /// <param name="target">The model at its dimensions.</param>
    /// <param name="flights">The texts.</param>
    /// <param name="interactive">Whether a person waits.</param>
    /// <param name="onAnswer">Gets the texts and tokens of each answer, before it is looked at: they are paid.</param>
    /// <param name="onBatch">Gets texts whose fate is known, and what became of each.</param>
    /// <returns>When every text's fate is known.</returns>
    public async Task CallAsync(
        ModelSpace target,
        IReadOnlyList<Flight> flights,
        bool interactive,
        Action<int, long> onAnswer,
        Func<IReadOnlyList<Flight>, ProviderItem[], ValueTask> onBatch)
    {
        var options = target.Model.Endpoints[0].Options;
        var batches = Pack([.. flights.Select(flight => flight.EstimatedTokens)], options.MaxBatch, options.MaxBatchTokens)
            .Select(batch => (IReadOnlyList<Flight>)new ArraySegment<Flight>([.. flights], batch.Start, batch.Count)).ToList();

        if (!target.Model.Definition.Local)
        {
            await impostors.ReadyAsync();
        }

        // One request does not fill the queue of all.
        await (batches.Count == 1
            ? RunAsync(batches[0])
            : Parallel.ForEachAsync(batches, new ParallelOptions { MaxDegreeOfParallelism = options.MaxInFlight }, async (batch, _) => await RunAsync(batch)));

        async Task RunAsync(IReadOnlyList<Flight> batch)
        {
            while (batch.Count > 0)
            {
                using var watch = new FlightWatch(batch);
                try
                {
                    await EmbedAsync(new Order(target, interactive, onAnswer, onBatch, time.GetTimestamp(), watch.Deserted), batch);
                    return;
                }
                catch (OperationCanceledException) when (watch.Deserted.IsCancellationRequested)
                {
                    // Somebody may have joined one of them since.
                    batch = [.. batch.Where(flight => !flight.Task.IsCompleted && !flight.TryClose())];
                }
            }
        }
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

    // Never throws a ProviderException: it is a text's fate.
    private async Task EmbedAsync(Order order, IReadOnlyList<Flight> flights)
    {
        try
        {
            await TryAsync(order, flights);
        }
        catch (ProviderException e) when (e.Failure == ProviderFailure.Rejected && flights.Count > 1)
        {
            LogBisecting(order.Target.Model.Definition.Name, flights.Count, e.Status);
            var half = flights.Count / 2;
            await Task.WhenAll(EmbedAsync(order, [.. flights.Take(half)]), EmbedAsync(order, [.. flights.Skip(half)]));
        }
        catch (ProviderException e)
        {
            var items = new ProviderItem[flights.Count];
            Array.Fill(items, new ProviderItem(null, 0, e));
            await order.OnBatch(flights, items);
        }
    }

    private async Task TryAsync(Order order, IReadOnlyList<Flight> flights)
    {
        var model = order.Target.Model;
        var endpoints = model.Endpoints;
        var tried = 0;
        ProviderException? last = null;
        for (var attempt = 1; ; attempt++)
        {
            var endpoint = Choose(endpoints, ref tried) ?? throw last ?? new ProviderException(
                ProviderFailure.Transient, $"No endpoint of the model '{model.Definition.Name}' is in use at the moment.")
            {
                RetryAfter = TimeSpan.FromSeconds(5),
            };
            try
            {
                await CallOnceAsync(endpoint, order, flights);
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
                || attempt >= endpoint.Options.MaxAttempts
                || (last.Failure == ProviderFailure.RateLimited && delay > ProviderChannel.MaxBlockedWait)
                || delay > RestOf(order, flights))
            {
                throw last;
            }

            LogRetry(model.Definition.Name, endpoint.Provider, attempt, delay.TotalMilliseconds, last.Message);
            await Task.Delay(delay, time, order.Deserted);
            tried = 0;
        }
    }

    // All waits of a batch together: for a place, for an endpoint that asked to be left alone, between attempts.
    private TimeSpan RestOf(Order order, IReadOnlyList<Flight> flights)
    {
        var rest = (Urgent(order, flights) ? s_maxInteractiveWait : s_maxBulkWait) - time.GetElapsedTime(order.Started);
        return rest > TimeSpan.Zero ? rest : TimeSpan.Zero;
    }

    // A person may have joined a text of a bulk call.
    private static bool Urgent(Order order, IReadOnlyList<Flight> flights) => order.Interactive || flights.Any(flight => flight.Interactive);

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

    private async Task CallOnceAsync(ModelEndpoint endpoint, Order order, IReadOnlyList<Flight> flights)
    {
        try
        {
            await endpoint.Channel.EnterAsync(
                flights.Sum(flight => (long)flight.EstimatedTokens), Urgent(order, flights), RestOf(order, flights), order.Deserted);
        }
        catch
        {
            endpoint.Breaker.Abandoned();
            throw;
        }

        var (known, answered) = (false, false);
        IReadOnlyList<Flight> sent = [];
        try
        {
            GeneratedEmbeddings<Embedding<float>> answer;
            try
            {
                // The last moment: from now on it is paid, whether anybody waits or not.
                sent = [.. flights.Where(flight => flight.TrySend() == Dispatch.Send)];
                if (sent.Count == 0)
                {
                    return;
                }

                answer = await BuyAsync(endpoint, order, sent);
                answered = true;
                await ObeyAsync(endpoint, answer);
                if (endpoint.State.Impostor)
                {
                    throw new ProviderException(ProviderFailure.Transient, "The provider was found to serve another model.");
                }
            }
            finally
            {
                endpoint.Channel.Leave();
            }

            var space = order.Target.Space;
            var items = AnswerCheck.Check(answer, space.Dimensions, space.Normalized, sent.Count, [.. sent.Select(flight => flight.EstimatedTokens)]);
            endpoint.Breaker.Succeeded();
            endpoint.State.Used = true;
            known = true;
            await order.OnBatch(sent, items);
        }
        catch (ProviderException e)
        {
            known = true;
            switch (e.Failure)
            {
                // A bad vector in a readable answer is about a text, not about the endpoint.
                case ProviderFailure.Rejected:
                case ProviderFailure.Malformed when answered:
                    endpoint.Breaker.Succeeded();
                    break;
                case ProviderFailure.RateLimited:
                    endpoint.Breaker.Succeeded();
                    await endpoint.Channel.BlockAsync(e.RetryAfter ?? s_firstBackoff);
                    break;
                default:
                    if (endpoint.Breaker.Failed())
                    {
                        LogOpened(order.Target.Model.Definition.Name, endpoint.Provider, e.Message);
                    }

                    break;
            }

            foreach (var flight in sent)
            {
                flight.Return();
            }

            throw;
        }
        finally
        {
            if (!known)
            {
                endpoint.Breaker.Abandoned();
            }
        }
    }

    private async Task<GeneratedEmbeddings<Embedding<float>>> BuyAsync(ModelEndpoint endpoint, Order order, IReadOnlyList<Flight> sent)
    {
        try
        {
            var answer = await GenerateAsync(endpoint, order.Target, [.. sent.Select(flight => flight.Text)], CancellationToken.None);
            order.OnAnswer(sent.Count, answer.Usage?.InputTokenCount is { } counted and >= 0 ? counted : Estimate());
            return answer;
        }
        catch (ProviderException e) when (e.Failure == ProviderFailure.Malformed)
        {
            // It answered, and it counts: what, cannot be read.
            order.OnAnswer(sent.Count, Estimate());
            throw;
        }

        long Estimate() => sent.Sum(flight => (long)flight.EstimatedTokens);
    }

    private async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        ModelEndpoint endpoint, ModelSpace target, string[] texts, CancellationToken cancellationToken)
    {
        if (target.Model.Definition.Local)
        {
            return await endpoint.Generator.GenerateAsync(texts, cancellationToken: cancellationToken);
        }

        using var timeout = new CancellationTokenSource(endpoint.Options.Timeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            return await endpoint.Generator.GenerateAsync(texts, new() { Dimensions = target.Space.Dimensions }, linked.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ProviderException(ProviderFailure.Transient, $"The provider did not answer within {endpoint.Options.Timeout.TotalSeconds} s.", e);
        }
        catch (Exception e) when (e is not (ProviderException or OperationCanceledException))
        {
            throw new ProviderException(ProviderFailure.Transient, $"The provider failed ({e.GetType().Name}).", e);
        }
    }

    private static ValueTask ObeyAsync(ModelEndpoint endpoint, GeneratedEmbeddings<Embedding<float>> answer)
    {
        if (answer.AdditionalProperties is not { } properties
            || !properties.TryGetValue(OpenAiEmbeddingGenerator.RateLimitProperty, out var value)
            || value is not RateLimitState limits)
        {
            return default;
        }

        var wait = TimeSpan.Zero;
        if (limits.RemainingRequests == 0)
        {
            wait = limits.ResetRequests;
        }

        if (limits.RemainingTokens == 0 && limits.ResetTokens > wait)
        {
            wait = limits.ResetTokens;
        }

        return endpoint.Channel.BlockAsync(wait);
    }

    // Full jitter: callers that failed together do not come back together.
    private static TimeSpan Delay(int attempt, TimeSpan? retryAfter)
    {
        var ceiling = s_firstBackoff * Math.Pow(2, attempt - 1);
        var jitter = ceiling * (0.5 + (Random.Shared.NextDouble() * 0.5));
        return retryAfter is { } wait ? wait + (s_firstBackoff * Random.Shared.NextDouble()) : jitter;
    }

    [LoggerMessage(1, LogLevel.Warning, "Model {Model}: the provider refused a batch of {Texts} texts with {Status}; looking for the one it means")]
    private partial void LogBisecting(string model, int texts, int status);

    [LoggerMessage(2, LogLevel.Warning, "Model {Model}: endpoint {Provider} failed ({Reason}); asking another one of the same space")]
    private partial void LogFailover(string model, string provider, string reason);

    [LoggerMessage(3, LogLevel.Information, "Model {Model}: call {Attempt} of endpoint {Provider} failed, next in {DelayMilliseconds} ms: {Reason}")]
    private partial void LogRetry(string model, string provider, int attempt, double delayMilliseconds, string reason);

    [LoggerMessage(4, LogLevel.Error, "Model {Model}: endpoint {Provider} is out of use until it answers again: {Reason}")]
    private partial void LogOpened(string model, string provider, string reason);

    /// <summary>What a batch is to be embedded for.</summary>
    /// <param name="Target">The model at its dimensions.</param>
    /// <param name="Interactive">Whether a person waits.</param>
    /// <param name="OnAnswer">Gets texts and tokens of each answer.</param>
    /// <param name="OnBatch">Gets texts whose fate is known.</param>
    /// <param name="Started">When it began to wait.</param>
    /// <param name="Deserted">Cancelled when nobody waits any more.</param>
    private sealed record Order(
        ModelSpace Target,
        bool Interactive,
        Action<int, long> OnAnswer,
        Func<IReadOnlyList<Flight>, ProviderItem[], ValueTask> OnBatch,
        long Started,
        CancellationToken Deserted);
}
