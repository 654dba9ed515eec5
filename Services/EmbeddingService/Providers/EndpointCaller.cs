using Microsoft.Extensions.AI;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers.Local;
using RagPlatform.EmbeddingService.Providers.OpenAi;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Providers;

/// <summary>One call of one endpoint: within its limits, in a format that it knows, noted by its breaker, paid.</summary>
internal sealed partial class EndpointCaller(TimeProvider time, ILogger<EndpointCaller> logger)
{
    private static readonly TimeSpan s_defaultBlock = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_probeWait = TimeSpan.FromSeconds(2);

    // Says nothing, in few tokens.
    private static readonly string[] s_probe = ["The quick brown fox jumps over the lazy dog."];

    /// <summary>Embeds texts. Those that nobody waits for any more, or that another flight brings, are left out.</summary>
    /// <param name="endpoint">The endpoint; its breaker let the call through.</param>
    /// <param name="order">What for.</param>
    /// <param name="flights">The texts.</param>
    /// <param name="maxWait">How long to wait for a place.</param>
    /// <param name="again">Whether the same texts failed before: another failure is no news of the endpoint.</param>
    /// <exception cref="ProviderException">The call failed.</exception>
    public async Task CallAsync(ModelEndpoint endpoint, ProviderOrder order, IReadOnlyList<Flight> flights, TimeSpan maxWait, bool again)
    {
        try
        {
            await endpoint.Channel.EnterAsync(
                flights.Sum(flight => (long)flight.EstimatedTokens), order.IsUrgent(flights), maxWait, order.Deserted);
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
            await NoteAsync(endpoint, order, e, answered, again);
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

    /// <summary>
    /// Asks an endpoint for a text that everybody takes, to learn whether a failure is about the texts or about the endpoint. Whoever asks within a
    /// second gets the same answer.
    /// </summary>
    /// <returns>Null when it answered; otherwise how it failed.</returns>
    public Task<ProviderException?> ProbeAsync(ModelEndpoint endpoint, ModelSpace target) => endpoint.State.ProbeAsync(
        async () =>
        {
            try
            {
                await endpoint.Channel.EnterAsync(tokens: 12, interactive: true, s_probeWait, CancellationToken.None);
                try
                {
                    await GenerateAsync(endpoint, target, s_probe, interactive: true);
                }
                finally
                {
                    endpoint.Channel.Leave();
                }

                endpoint.Breaker.Succeeded();
                return null;
            }
            catch (ProviderException e)
            {
                // It failed with the text of somebody, and with one that everybody takes.
                while (e.Failure == ProviderFailure.Transient && !endpoint.Breaker.IsOpen)
                {
                    if (endpoint.Breaker.Failed())
                    {
                        LogOpened(target.Model.Definition.Name, endpoint.Provider, e.Message);
                    }
                }

                return e;
            }
        },
        time);

    private async Task NoteAsync(ModelEndpoint endpoint, ProviderOrder order, ProviderException e, bool answered, bool again)
    {
        switch (e.Failure)
        {
            // A bad vector in a readable answer is about a text, not about the endpoint.
            case ProviderFailure.Rejected:
            case ProviderFailure.Malformed when answered:
                endpoint.Breaker.Succeeded();
                break;
            case ProviderFailure.RateLimited:
                endpoint.Breaker.Succeeded();
                await endpoint.Channel.BlockAsync(e.RetryAfter ?? s_defaultBlock);
                break;
            case ProviderFailure.Transient when again && e.Status > 0 && !endpoint.Breaker.IsOpen:
                endpoint.Breaker.Abandoned();
                break;
            default:
                if (endpoint.Breaker.Failed())
                {
                    LogOpened(order.Target.Model.Definition.Name, endpoint.Provider, e.Message);
                }

                break;
        }
    }

    private async Task<GeneratedEmbeddings<Embedding<float>>> BuyAsync(ModelEndpoint endpoint, ProviderOrder order, IReadOnlyList<Flight> sent)
    {
        try
        {
            var answer = await GenerateAsync(endpoint, order.Target, [.. sent.Select(flight => flight.Text)], order.IsUrgent(sent));
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

    // In the format that worked last; when none is known to work, or this one is refused by name, in another.
    private async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(ModelEndpoint endpoint, ModelSpace target, string[] texts, bool interactive)
    {
        ProviderException? first = null;
        for (var format = endpoint.State.Format; ; format++)
        {
            try
            {
                var answer = await GenerateAsync(endpoint, target, texts, interactive, format);
                if (first is not null)
                {
                    LogFormat(endpoint.Provider, target.Model.Definition.Name, format);
                }

                endpoint.State.Learn(format);
                return answer;
            }
            catch (ProviderException e) when (format < VectorFormat.Unnamed && endpoint.Generator is OpenAiEmbeddingGenerator
                && (e.IsAboutFormat || (e.Failure == ProviderFailure.Rejected && !endpoint.State.KnowsFormat)))
            {
                first ??= e;
            }
            catch (ProviderException e) when (first is not null && e.Failure is ProviderFailure.Rejected or ProviderFailure.Unusable)
            {
                throw first;
            }
        }
    }

    private async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        ModelEndpoint endpoint, ModelSpace target, string[] texts, bool interactive, VectorFormat format)
    {
        if (target.Model.Definition.Cheap)
        {
            return await endpoint.Generator.GenerateAsync(texts);
        }

        using var timeout = new CancellationTokenSource(endpoint.Options.Timeout, time);
        using var span = EmbeddingSpans.Begin(endpoint, target, texts.Length);
        try
        {
            var answer = await endpoint.Generator.GenerateAsync(
                texts,
                new()
                {
                    Dimensions = target.Space.Dimensions,
                    AdditionalProperties = new()
                    {
                        [OpenAiEmbeddingGenerator.FormatProperty] = format,
                        [LocalEmbeddingGenerator.InteractiveProperty] = interactive,
                    },
                },
                timeout.Token);
            span.Answer(answer);
            return answer;
        }
        catch (OperationCanceledException e)
        {
            span.Fail("timeout");
            throw new ProviderException(ProviderFailure.Transient, $"The provider did not answer within {endpoint.Options.Timeout.TotalSeconds} s.", e);
        }
        catch (ProviderException e)
        {
            span.Fail(e.Failure.ToString());
            throw;
        }
        catch (Exception e)
        {
            span.Fail(e.GetType().Name);
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

    [LoggerMessage(1, LogLevel.Error, "Model {Model}: endpoint {Provider} is out of use until it answers again: {Reason}")]
    private partial void LogOpened(string model, string provider, string reason);

    [LoggerMessage(2, LogLevel.Information, "Endpoint {Provider} answers model {Model} in format {Format}, not in that which was asked for first")]
    private partial void LogFormat(string provider, string model, VectorFormat format);
}
