using System.Net;

namespace RagPlatform.Cli.Connections;

/// <summary>
/// Tries again what the API postponed: 429 and 503 after the time that the answer names, 502 and 504 of a proxy. The platform's writes
/// are idempotent, so a write whose answer was lost is sent again too, while a node restarts.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="patient">Whether a lost connection is waited for, once the API has answered.</param>
internal sealed class RetryHandler(TimeProvider time, bool patient) : DelegatingHandler
{
    private static readonly TimeSpan s_attemptTimeout = TimeSpan.FromSeconds(100);
    private static readonly TimeSpan s_longestDelay = TimeSpan.FromSeconds(30);

    // Impatient: about 2 s altogether. Patient: about 2 minutes, which a node needs at most for crash recovery.
    private readonly int _attempts = patient ? 12 : 4;
    private volatile bool _reached;

    /// <summary>How often something was tried again.</summary>
    public int Retries { get; private set; }

    /// <inheritdoc />
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            TimeSpan? retryAfter = null;
            try
            {
                var response = await SendOnceAsync(request, cancellationToken);
                _reached = true;
                if (attempt == _attempts || !IsPostponed(response.StatusCode))
                {
                    return response;
                }

                retryAfter = response.Headers.RetryAfter is { } header
                    ? header.Delta ?? header.Date - time.GetUtcNow()
                    : null;
                if (retryAfter > s_longestDelay)
                {
                    return response;
                }

                response.Dispose();
            }
            catch (Exception e) when (e is HttpRequestException or TimeoutException && patient && _reached && attempt < _attempts)
            {
                // The node restarts, or a connection broke.
            }

            Retries++;
            await Task.Delay(Delay(attempt, retryAfter), time, cancellationToken);
        }
    }

    private static bool IsPostponed(HttpStatusCode status) => status is HttpStatusCode.TooManyRequests
        or HttpStatusCode.ServiceUnavailable or HttpStatusCode.BadGateway or HttpStatusCode.GatewayTimeout;

    private async Task<HttpResponseMessage> SendOnceAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(s_attemptTimeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await base.SendAsync(request, linked.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException(
                $"{request.RequestUri?.GetLeftPart(UriPartial.Authority)} did not answer within {s_attemptTimeout.TotalSeconds} s.", e);
        }
    }

    private static TimeSpan Delay(int attempt, TimeSpan? retryAfter)
    {
        var backoff = TimeSpan.FromSeconds(Math.Min(0.25 * Math.Pow(2, attempt - 1), 15) * (0.75 + (Random.Shared.NextDouble() / 2)));
        return retryAfter > backoff ? retryAfter.Value : backoff;
    }
}
