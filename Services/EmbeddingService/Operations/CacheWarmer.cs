using Microsoft.Extensions.Options;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Operations;

/// <summary>After a start, brings the most frequent queries into memory.</summary>
internal sealed partial class CacheWarmer(
    CacheOperations cache,
    IOptions<EmbeddingCacheOptions> options,
    TimeProvider time,
    ILogger<CacheWarmer> logger,
    SchemaMigrator? schema = null) : BackgroundService
{
    private const int Attempts = 10;

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value is not { Enabled: true, WarmAfterStart: > 0 and var limit })
        {
            return;
        }

        if (schema is not null)
        {
            await schema.Ready.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            // The connection to Valkey is made while the service starts.
            await Task.Delay(TimeSpan.FromSeconds(Math.Min(attempt, 5)), time, stoppingToken);
            try
            {
                var warmed = await cache.WarmFrequentAsync(null, limit, stoppingToken);
                if (warmed.Requested > 0)
                {
                    LogWarmed(warmed.Requested - warmed.Missing, warmed.Requested);
                }

                return;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogWaiting(e.GetType().Name);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Information, "{Vectors} of the {Queries} most frequent queries are in memory")]
    private partial void LogWarmed(int vectors, int queries);

    [LoggerMessage(2, LogLevel.Debug, "Frequent queries cannot be read yet ({Failure})")]
    private partial void LogWaiting(string failure);
}
