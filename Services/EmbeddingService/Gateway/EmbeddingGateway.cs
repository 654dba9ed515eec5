using System.Globalization;
using RagPlatform.EmbeddingService.Budgets;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>Embeds texts: memory, then whatever has to be fetched. The only way to a provider.</summary>
internal sealed class EmbeddingGateway(
    MemoryTier memory, VectorFetcher fetcher, GatewayFeatures features, UsageRecorder usage, QueryCounter queries, TierStatistics statistics)
{
    // A text whose flight ended for reasons of another caller (its budget) is tried again; more often than this it cannot be chance.
    private const int MaxRounds = 20;

    /// <exception cref="GatewayException">The provider refused or failed, or a budget is used up.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async ValueTask<EmbeddingResult> EmbedAsync(EmbeddingCall call, CancellationToken cancellationToken)
    {
        using var span = EmbeddingSpans.Begin(call);
        var texts = call.Texts;
        var prompt = call.Target.Prompt(call.Input);
        var vectors = new float[texts.Count][];
        var tiers = default(TierCounts);
        var tokens = 0L;
        List<Pending>? pending = null;
        for (var i = 0; i < vectors.Length; i++)
        {
            var key = VectorKey.Create(prompt, texts[i], call.Target.Id);
            if (!call.Bypass && features.Cache && memory.TryGet(key, out var cached))
            {
                vectors[i] = cached.Values;
                tokens += cached.Tokens;
                tiers.Add(Tier.L1, cached.Tokens);
            }
            else
            {
                (pending ??= []).Add(new Pending(i, key));
            }

            queries.Count(call, key);
        }

        statistics.Hit(Tier.L1, vectors.Length - (pending?.Count ?? 0));
        if (pending is not null)
        {
            statistics.Miss(Tier.L1, pending.Count);
            try
            {
                (tokens, tiers) = await FetchAsync(call, prompt, pending, vectors, tokens, tiers, cancellationToken);
            }
            catch (Exception e)
            {
                span.Fail(e.GetType().Name);
                throw;
            }
        }

        span.Answer(tiers, tokens);
        // What was bought is recorded when it is bought, whether the caller gets it or not.
        usage.RecordSaved(call, tiers);
        return new EmbeddingResult(vectors, tokens, tiers);
    }

    private async Task<(long Tokens, TierCounts Tiers)> FetchAsync(
        EmbeddingCall call, string prompt, List<Pending> pending, float[][] vectors, long tokens, TierCounts tiers, CancellationToken cancellationToken)
    {
        for (var round = 0; pending.Count > 0; round++)
        {
            var flights = new Dictionary<VectorKey, (Flight Flight, bool Own)>(pending.Count);
            var own = new List<Flight>();
            foreach (var (place, key) in pending)
            {
                if (flights.ContainsKey(key))
                {
                    continue;
                }

                var text = prompt.Length == 0 ? call.Texts[place] : prompt + call.Texts[place];
                var encoding = call.Target.Model.Definition.Encoding;
                var joined = call.Bypass
                    ? (Flight: new Flight(key, text, call.Interactive, encoding), Own: true)
                    : fetcher.Join(key, text, call.Interactive, encoding);
                flights.Add(key, joined);
                if (joined.Own)
                {
                    own.Add(joined.Flight);
                }
            }

            if (own.Count > 0)
            {
                // Not awaited: the flights are. What is sent goes on when this caller leaves.
                _ = fetcher.Depart(own, call);
            }

            // One by one: most have landed when the first has, and each continuation less is a thread that need not be woken.
            try
            {
                foreach (var (flight, _) in flights.Values)
                {
                    await flight.Task.WaitAsync(cancellationToken);
                }
            }
            finally
            {
                foreach (var (flight, _) in flights.Values)
                {
                    flight.Leave();
                }
            }

            var again = new List<Pending>();
            var seen = new HashSet<VectorKey>();
            foreach (var (place, key) in pending)
            {
                var (flight, isOwn) = flights[key];
                var landing = await flight.Task;
                if (landing.Vector is { } vector)
                {
                    vectors[place] = vector.Values;
                    tokens += vector.Tokens;
                    tiers.Add(!seen.Add(key) || (!isOwn && landing.Tier != Tier.L1) ? Tier.Joined : landing.Tier, vector.Tokens);
                }
                else if (isOwn || !landing.OwnersOnly || round >= MaxRounds)
                {
                    throw Translate(landing.Error!, place, call.Texts.Count);
                }
                else
                {
                    again.Add(new Pending(place, key));
                }
            }

            pending = again;
        }

        return (tokens, tiers);
    }

    /// <summary>An error as the caller of the request sees it.</summary>
    internal static Exception Translate(Exception error, int place, int count)
    {
        var where = count > 1 ? string.Create(CultureInfo.InvariantCulture, $"input[{place}]") : "input";
        return error switch
        {
            ProviderException e => e.Failure switch
            {
                ProviderFailure.RateLimited => new GatewayException(
                    StatusCodes.Status429TooManyRequests, "requests", "rate_limit_exceeded", e.Message, inner: e) { RetryAfter = e.RetryAfter },
                ProviderFailure.Rejected => new GatewayException(
                    StatusCodes.Status400BadRequest, "invalid_request_error", "provider_rejected_input", $"{e.Message} It refuses {where}.", where, e),
                ProviderFailure.Malformed => GatewayException.Upstream(e.Message, e),
                ProviderFailure.Unusable => new GatewayException(
                    StatusCodes.Status502BadGateway, "server_error", "provider_unusable", e.Message, inner: e) { NoRetry = true },
                _ => new GatewayException(
                    StatusCodes.Status503ServiceUnavailable, "server_error", "provider_unavailable", e.Message, inner: e) { RetryAfter = e.RetryAfter },
            },
            BudgetException e => e.ToGatewayException(),
            GatewayException e => e,
            _ => new GatewayException(StatusCodes.Status500InternalServerError, "server_error", null, "The server had an error while processing your request.", inner: error),
        };
    }

    private readonly record struct Pending(int Place, VectorKey Key);
}
