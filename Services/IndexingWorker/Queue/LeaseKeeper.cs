using Microsoft.Extensions.Options;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Queue;

/// <summary>
/// Renews the leases of what is in work, and stops the work on what was taken away: by a pause, a cancellation or a newer change. Nothing of
/// that would be written anyway; but it need not be paid for either.
/// </summary>
internal sealed partial class LeaseKeeper(
    TaskQueue queue,
    SchemaMigrator migrator,
    WorkerIdentity identity,
    TasksInWork inWork,
    ControlSignal control,
    IOptions<IndexingOptions> options,
    TimeProvider time,
    ILogger<LeaseKeeper> logger) : BackgroundService
{
    // Behind PgBouncer no notification arrives.
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await migrator.Ready.WaitAsync(stoppingToken);
        var renewed = time.GetTimestamp();
        while (true)
        {
            var pause = options.Value.Lease / 3 < s_interval ? options.Value.Lease / 3 : s_interval;
            await control.Tasks.WaitAsync(pause, time, stoppingToken);
            try
            {
                if (inWork.List() is not { Count: > 0 } tasks)
                {
                    continue;
                }

                // A task that is being changed this moment may be missed by a renewal: there are two more before the lease ends.
                if (time.GetElapsedTime(renewed) >= options.Value.Lease / 3)
                {
                    renewed = time.GetTimestamp();
                    await queue.RenewAsync(identity.Id, tasks, options.Value.Lease, stoppingToken);
                }

                var held = await queue.ListHeldAsync(identity.Id, tasks, stoppingToken);
                for (var i = 0; i < tasks.Count; i++)
                {
                    if (!held.Contains(i))
                    {
                        inWork.Abandon(tasks[i]);
                    }
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
