using Microsoft.Extensions.AI;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers.Local;
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
internal sealed partial class ProviderCaller(TimeProvider time, ILogger<ProviderCaller> logger)
{
    private static readonly TimeSpan s_firstBackoff = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_maxInteractiveWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_maxBulkWait = TimeSpan.FromSeconds(60);

    /// <summary>Embeds texts.</summary>
    /// <param name="target">The model at its dimensions.</param>
    /// <param name="texts">The texts, with prompt.</param>
    /// <param name="interactive">Whether a person waits.</param>
    /// <param name="onBatch">Gets the place of the first text of a finished batch, and what became of its texts.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>When every text's fate is known.</returns>
    public Task CallAsync(
        ModelSpace target, IReadOnlyList<string> texts, bool interactive, Func<int, ProviderItem[], ValueTask> onBatch, CancellationToken cancellationToken)
    {
        var estimates = new int[texts.Count];
        for (var i = 0; i < estimates.Length; i++)
        {
            estimates[i] = TokenEstimate.Of(texts[i]);
        }

        var options = target.Model.Endpoints[0].Options;
        var batches = new List<Task>();
        foreach (var (start, count) in Pack(estimates, options.MaxBatch, options.MaxBatchTokens))
        {
            batches.Add(RunAsync(start, new ArraySegment<int>(estimates, start, count)));
        }

        return batches.Count == 1 ? batches[0] : Task.WhenAll(batches);

        async Task RunAsync(int start, ArraySegment<int> counted)
        {
            var batch = new string[counted.Count];
            for (var i = 0; i < batch.Length; i++)
            {
                batch[i] = texts[start + i];
            }

            await onBatch(start, await EmbedAsync(target, batch, counted, interactive, cancellationToken));
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

    // Never throws a ProviderException: it is an item's fate.
    private async Task<ProviderItem[]> EmbedAsync(
        ModelSpace target, string[] texts, ArraySegment<int> estimates, bool interactive, CancellationToken cancellationToken)
    {
        try
        {
            return await TryAsync(target, texts, estimates, interactive, cancellationToken);
        }
        catch (ProviderException e) when (e.Failure == ProviderFailure.Rejected && texts.Length > 1)
        {
            LogBisecting(target.Model.Definition.Name, texts.Length, e.Status);
            var half = texts.Length / 2;
            var first = EmbedAsync(target, texts[..half], estimates[..half], interactive, cancellationToken);
            var second = EmbedAsync(target, texts[half..], estimates[half..], interactive, cancellationToken);
            return [.. await first, .. await second];
        }
        catch (ProviderException e)
        {
            var items = new ProviderItem[texts.Length];
            Array.Fill(items, new ProviderItem(null, 0, e));
            return items;
        }
    }

    private async Task<ProviderItem[]> TryAsync(
        ModelSpace target, string[] texts, ArraySegment<int> estimates, bool interactive, CancellationToken cancellationToken)
    {
        var endpoints = target.Model.Endpoints;
        var tried = 0;
        ProviderException? last = null;
        for (var attempt = 1; ; attempt++)
        {
            var endpoint = Choose(endpoints, ref tried) ?? throw last ?? new ProviderException(
                ProviderFailure.Transient, $"No endpoint of the model '{target.Model.Definition.Name}' is in use at the moment.")
            {
                RetryAfter = TimeSpan.FromSeconds(5),
            };
            try
            {
                return await CallOnceAsync(endpoint, target, texts, estimates, interactive, cancellationToken);
            }
            catch (ProviderException e) when (e.Failure != ProviderFailure.Rejected)
            {
                last = e;
            }

            if (endpoints.Count > 1 && endpoints.Any(other => other.CanTry && (tried & (1 << other.Index)) == 0))
            {
                LogFailover(target.Model.Definition.Name, endpoint.Provider, last.Message);
                continue;
            }

            var delay = Delay(attempt, last.RetryAfter);
            if (last.Failure is not (ProviderFailure.Transient or ProviderFailure.RateLimited)
                || attempt >= endpoint.Options.MaxAttempts
                || delay > (interactive ? s_maxInteractiveWait : s_maxBulkWait))
            {
                throw last;
            }

            LogRetry(target.Model.Definition.Name, endpoint.Provider, attempt, delay.TotalMilliseconds, last.Message);
            await Task.Delay(delay, time, cancellationToken);
            tried = 0;
        }
    }

    // The first endpoint, in the order of preference, that was not tried in this round and whose breaker lets a call through.
    private static ModelEndpoint? Choose(IReadOnlyList<ModelEndpoint> endpoints, ref int tried)
    {
        foreach (var endpoint in endpoints)
        {
            var bit = 1 << endpoint.Index;
            if ((tried & bit) == 0 && !endpoint.Impostor && endpoint.Breaker.TryEnter())
            {
                tried |= bit;
                return endpoint;
            }
        }

        return null;
    }

    private async Task<ProviderItem[]> CallOnceAsync(
        ModelEndpoint endpoint, ModelSpace target, string[] texts, ArraySegment<int> estimates, bool interactive, CancellationToken cancellationToken)
    {
        var (known, answered) = (false, false);
        try
        {
            await endpoint.Channel.EnterAsync(estimates.Sum(estimate => (long)estimate), interactive, cancellationToken);
            GeneratedEmbeddings<Embedding<float>> answer;
            try
            {
                answer = await GenerateAsync(endpoint, target, texts, interactive, cancellationToken);
                answered = true;
                await ObeyAsync(endpoint, answer);
            }
            finally
            {
                endpoint.Channel.Leave();
            }

            var items = AnswerCheck.Check(answer, target.Space.Dimensions, target.Space.Normalized, texts.Length, estimates);
            endpoint.Breaker.Succeeded();
            endpoint.Used = true;
            known = true;
            return items;
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
                        LogOpened(target.Model.Definition.Name, endpoint.Provider, e.Message);
                    }

                    break;
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

    private async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        ModelEndpoint endpoint, ModelSpace target, string[] texts, bool interactive, CancellationToken cancellationToken)
    {
        if (target.Model.Definition.Cheap)
        {
            return await endpoint.Generator.GenerateAsync(texts, cancellationToken: cancellationToken);
        }

        using var timeout = new CancellationTokenSource(endpoint.Options.Timeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            return await endpoint.Generator.GenerateAsync(texts, Options(target, interactive), linked.Token);
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

    private static EmbeddingGenerationOptions Options(ModelSpace target, bool interactive)
    {
        var options = new EmbeddingGenerationOptions { Dimensions = target.Space.Dimensions };
        if (target.Model.Definition.Type == ProviderType.Local)
        {
            options.AdditionalProperties = new() { [LocalEmbeddingGenerator.InteractiveProperty] = interactive };
        }

        return options;
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
}
