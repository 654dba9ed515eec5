using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Queue;

/// <summary>Wakes the loop when there may be something to do.</summary>
internal sealed class TaskSignal
{
    private readonly SemaphoreSlim _semaphore = new(0, 1);

    public void Set()
    {
        try
        {
            _semaphore.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is set.
        }
    }

    /// <summary>Waits for the signal, or for the token.</summary>
    public Task WaitAsync(CancellationToken cancellationToken) => _semaphore.WaitAsync(cancellationToken);

    /// <summary>Waits for the signal, at most for <paramref name="timeout"/>.</summary>
    public async Task WaitAsync(TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await _semaphore.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The time is over.
        }
    }
}

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

/// <summary>Renews the leases of what is in work.</summary>
internal sealed partial class LeaseKeeper(
    TaskQueue queue,
    SchemaMigrator migrator,
    WorkerIdentity identity,
    TasksInWork inWork,
    IOptions<IndexingOptions> options,
    TimeProvider time,
    ILogger<LeaseKeeper> logger) : BackgroundService
{
    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await migrator.Ready.WaitAsync(stoppingToken);
        using var timer = new PeriodicTimer(options.Value.Lease / 3, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                if (inWork.List() is { Count: > 0 } tasks)
                {
                    await queue.RenewAsync(identity.Id, tasks, options.Value.Lease, stoppingToken);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(e.Message);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Leases could not be renewed: {Reason}")]
    private partial void LogFailed(string reason);
}

/// <summary>Listens for new tasks and wakes the loop. Without it the loop polls.</summary>
internal sealed partial class TaskListener(
    NotificationListener listener, SchemaMigrator migrator, TaskSignal signal, TimeProvider time, ILogger<TaskListener> logger) : BackgroundService
{
    private static readonly TimeSpan s_reconnectDelay = TimeSpan.FromSeconds(1);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await migrator.Ready.WaitAsync(stoppingToken);
        while (true)
        {
            try
            {
                await listener.ListenToTasksAsync(signal.Set, stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogLost(e.Message);
            }

            await Task.Delay(s_reconnectDelay, time, stoppingToken);
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Not listening for tasks at the moment, polling: {Reason}")]
    private partial void LogLost(string reason);
}
