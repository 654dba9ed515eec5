using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>Counts which queries are frequent, by hash, so that they can be brought back into memory. It never sees a text.</summary>
internal sealed partial class QueryCounter(TimeProvider time, ILogger<QueryCounter> logger, EmbeddingQueryStore? store = null) : BackgroundService
{
    private const int MaxCounted = 20_000;
    private const int KeepDays = 30;
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private Dictionary<(string Workspace, VectorKey Key), long> _counts = [];

    /// <summary>Notes one text of a call, when the call is a query.</summary>
    public void Count(EmbeddingCall call, in VectorKey key)
    {
        if (store is null || call.Input != EmbeddingInput.Query || call.Bypass)
        {
            return;
        }

        lock (_lock)
        {
            var name = (call.Workspace, key);
            if (_counts.TryGetValue(name, out var uses))
            {
                _counts[name] = uses + 1;
            }
            else if (_counts.Count < MaxCounted)
            {
                _counts.Add(name, 1);
            }
        }
    }

    /// <summary>Writes what was counted. What cannot be written is forgotten: it is a hint.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        Dictionary<(string Workspace, VectorKey Key), long> counts;
        lock (_lock)
        {
            if (store is null || _counts.Count == 0)
            {
                return;
            }

            (counts, _counts) = (_counts, []);
        }

        try
        {
            await store.AddAsync(
                [.. counts.Select(pair => new EmbeddingQueryRow(pair.Key.Workspace, pair.Key.Key.Space, pair.Key.Key.HashBytes(), pair.Value))],
                cancellationToken);
        }
        catch (Exception e)
        {
            LogUnwritten(e.GetType().Name);
        }
    }

    /// <inheritdoc />
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await FlushAsync(cancellationToken);
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_interval, time);
        var pruned = time.GetTimestamp();
        while (store is not null && await timer.WaitForNextTickAsync(stoppingToken))
        {
            await FlushAsync(stoppingToken);
            if (time.GetElapsedTime(pruned) > TimeSpan.FromHours(6))
            {
                pruned = time.GetTimestamp();
                await PruneAsync(store, stoppingToken);
            }
        }
    }

    private async Task PruneAsync(EmbeddingQueryStore queries, CancellationToken cancellationToken)
    {
        try
        {
            await queries.PruneAsync(KeepDays, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogUnwritten(e.GetType().Name);
        }
    }

    [LoggerMessage(1, LogLevel.Debug, "Frequent queries cannot be written ({Failure})")]
    private partial void LogUnwritten(string failure);
}
