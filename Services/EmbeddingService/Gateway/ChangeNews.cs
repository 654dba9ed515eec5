using System.Threading.Channels;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>
/// News of what replicas keep in memory: budgets, models and aliases, keys of the durable cache. Who follows one of them waits here between two looks:
/// short where no notification arrives, long where they do, and not at all once there is news.
/// </summary>
internal sealed partial class ChangeNews(
    TimeProvider time, ILogger<ChangeNews> logger, NotificationListener? listener = null, SchemaMigrator? schema = null) : BackgroundService
{
    private static readonly TimeSpan s_retryDelay = TimeSpan.FromSeconds(1);

    /// <summary>Whether who waits for news will hear of them.</summary>
    public bool Hears => listener is { Hears: true };

    /// <summary>Budgets were changed.</summary>
    public Bell Budgets { get; } = new();

    /// <summary>Models or aliases were changed.</summary>
    public Bell Registry { get; } = new();

    /// <summary>An endpoint was checked, or vectors have to go.</summary>
    public Bell Endpoints { get; } = new();

    /// <summary>Vectors were added to the durable cache.</summary>
    public Bell Vectors { get; } = new();

    /// <summary>Waits for news.</summary>
    /// <param name="bell">Which.</param>
    /// <param name="poll">For how long at most where no notification arrives.</param>
    /// <param name="fallback">For how long at most where they do.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public Task WaitAsync(Bell bell, TimeSpan poll, TimeSpan fallback, CancellationToken cancellationToken) =>
        bell.WaitAsync(Hears ? fallback : poll, time, cancellationToken);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (schema is not null)
        {
            await schema.Ready.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        while (listener is not null && !stoppingToken.IsCancellationRequested)
        {
            try
            {
                await listener.ListenToEmbeddingAsync(RingAll, Ring, stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogLost(e.GetType().Name);
            }

            await Task.Delay(s_retryDelay, time, stoppingToken);
        }
    }

    private void RingAll()
    {
        Budgets.Ring();
        Registry.Ring();
        Endpoints.Ring();
        Vectors.Ring();
    }

    private void Ring(string table)
    {
        switch (table)
        {
            case "embedding_budgets":
                Budgets.Ring();
                break;
            case "embedding_models" or "embedding_aliases":
                Registry.Ring();
                break;
            case "embedding_endpoint_checks" or "embedding_purges":
                Endpoints.Ring();
                break;
            case "embedding_cache":
                Vectors.Ring();
                break;
            default:
                break;
        }
    }

    [LoggerMessage(1, LogLevel.Debug, "Not listening for changes at the moment, polling ({Failure})")]
    private partial void LogLost(string failure);

    /// <summary>Rung any number of times, heard once by the one who waits for it.</summary>
    internal sealed class Bell
    {
        private readonly Channel<bool> _rung = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

        public void Ring() => _rung.Writer.TryWrite(true);

        public async Task WaitAsync(TimeSpan atMost, TimeProvider time, CancellationToken cancellationToken)
        {
            using var limit = new CancellationTokenSource(atMost, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            try
            {
                await _rung.Reader.ReadAsync(either.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // The time is over.
            }
        }
    }
}
