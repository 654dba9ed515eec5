namespace RagPlatform.EmbeddingService.Providers;

/// <summary>The HTTP client of all providers: one connection pool, no automatic redirects, timeouts by call.</summary>
/// <param name="handler">The network, or a test's script.</param>
internal sealed class ProviderHttp(HttpMessageHandler handler) : IDisposable
{
    public HttpClient Client { get; } = new(handler) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>The real network.</summary>
    public static ProviderHttp Create() => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        ConnectTimeout = TimeSpan.FromSeconds(5),

        // Providers are third parties: nothing of our traces goes to them.
        ActivityHeadersPropagator = null,
    });

    public void Dispose() => Client.Dispose();
}
