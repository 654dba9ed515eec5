using Microsoft.Extensions.DependencyInjection;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>Resilience for clients of other services.</summary>
public static class HttpResilienceExtensions
{
    /// <summary>
    /// Adds the standard resilience handler (total timeout, 3 retries with backoff, jitter and <c>Retry-After</c>, circuit breaker, timeout
    /// of each attempt) to a client <em>all of whose requests may be sent twice</em>, whatever their method: embedding a text, a search, a
    /// put by id. It is chosen client by client, never for all of them, so that no write that is not idempotent is repeated by accident.
    /// </summary>
    /// <param name="client">The client's builder.</param>
    /// <param name="attemptTimeout">How long one attempt may take, 10 milliseconds to 30 minutes. The default is 10 seconds.</param>
    /// <param name="totalTimeout">
    /// How long all attempts together may take. The default is three times <paramref name="attemptTimeout"/>.
    /// </param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A timeout is out of its range, or the total is below that of one attempt.</exception>
    public static IHttpClientBuilder AddIdempotentResilience(
        this IHttpClientBuilder client, TimeSpan? attemptTimeout = null, TimeSpan? totalTimeout = null)
    {
        var attempt = attemptTimeout ?? TimeSpan.FromSeconds(10);
        var total = totalTimeout ?? 3 * attempt;
        ArgumentOutOfRangeException.ThrowIfLessThan(attempt, TimeSpan.FromMilliseconds(10), nameof(attemptTimeout));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(attempt, TimeSpan.FromMinutes(30), nameof(attemptTimeout));
        ArgumentOutOfRangeException.ThrowIfLessThan(total, attempt, nameof(totalTimeout));

        client.AddStandardResilienceHandler(options =>
        {
            options.AttemptTimeout.Timeout = attempt;
            options.TotalRequestTimeout.Timeout = total;
            options.Retry.Delay = TimeSpan.FromMilliseconds(200);

            // The handler refuses a sampling duration below twice the attempt's timeout.
            var sampling = TimeSpan.FromSeconds(30);
            options.CircuitBreaker.SamplingDuration = 2 * attempt > sampling ? 2 * attempt : sampling;
        });
        return client;
    }
}
