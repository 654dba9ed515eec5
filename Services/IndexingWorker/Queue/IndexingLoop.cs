using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Queue;

/// <summary>Claims tasks as long as there are some and there is room, and gives everything back when the service stops.</summary>
internal sealed partial class IndexingLoop(
    TaskQueue queue,
    DocumentIndexer indexer,
    SchemaMigrator migrator,
    TaskSignal signal,
    WorkerIdentity identity,
    TasksInWork inWork,
    IOptions<IndexingOptions> options,
    TimeProvider time,
    ILogger<IndexingLoop> logger) : BackgroundService
{
    private readonly CancellationTokenSource _abort = new();
    private int _cursor;

    /// <summary>Claims once.</summary>
    /// <returns>Whether another claim may find more.</returns>
    public async Task<bool> RunOnceAsync(CancellationToken cancellationToken)
    {
        var room = options.Value.DocumentsInWork - inWork.Count;

        // Under load, a claim for each task that ends would cost more than it brings.
        if (room < Math.Min(options.Value.DocumentsInWork, Math.Max(1, options.Value.ClaimSize / 4)))
        {
            return false;
        }

        var claim = await queue.ClaimAsync(
            identity.Id, Math.Min(room, options.Value.ClaimSize), options.Value.Lease, _cursor, cancellationToken);

        // A round that began in the middle has not looked at the lanes before.
        var again = claim.Tasks.Count > 0 || claim.Cursor != 0 || _cursor != 0;
        _cursor = claim.Cursor;
        if (claim.Tasks.Count > 0)
        {
            inWork.Add(claim.Tasks);
            _ = indexer.ProcessAsync(claim.Tasks, _abort.Token);
        }

        return again;
    }

    /// <inheritdoc />
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);

        // Nothing is claimed any more.
        using var limit = new CancellationTokenSource(options.Value.StopTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            while (inWork.Count > 0)
            {
                await signal.WaitAsync(either.Token);
            }
        }
        catch (OperationCanceledException)
        {
            LogGivenBack(inWork.Count);
        }

        await _abort.CancelAsync();
        foreach (var task in inWork.List())
        {
            inWork.Abandon(task);
        }

        try
        {
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(2), time);
            await queue.ReleaseAllAsync(identity.Id, soon.Token);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            LogUnreachable(e.Message);
        }
    }

    /// <inheritdoc />
    public override void Dispose()
    {
        _abort.Dispose();
        base.Dispose();
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.Value.Enabled)
        {
            return;
        }

        await migrator.Ready.WaitAsync(stoppingToken);
        while (true)
        {
            var worked = false;
            try
            {
                worked = await RunOnceAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogUnreachable(e.Message);
            }

            if (!worked)
            {
                await signal.WaitAsync(options.Value.PollInterval, time, stoppingToken);
            }

            stoppingToken.ThrowIfCancellationRequested();
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "The queue cannot be read at the moment: {Reason}")]
    private partial void LogUnreachable(string reason);

    [LoggerMessage(2, LogLevel.Information, "Stopping: {Documents} documents in work are given back.")]
    private partial void LogGivenBack(int documents);
}
