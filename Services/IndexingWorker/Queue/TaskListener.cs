using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Queue;

/// <summary>Listens for new tasks and for what people ask for, and wakes who does it. Without it they poll.</summary>
internal sealed partial class TaskListener(
    NotificationListener listener,
    SchemaMigrator migrator,
    TaskSignal signal,
    ControlSignal control,
    IdlePace pace,
    TimeProvider time,
    ILogger<TaskListener> logger) : BackgroundService
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
                await listener.ListenToTasksAsync(OnTask, OnControl, stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogLost(e.Message);
            }

            await Task.Delay(s_reconnectDelay, time, stoppingToken);
        }
    }

    private void OnTask()
    {
        signal.SetNews();
        pace.Stir();
    }

    private void OnControl()
    {
        control.Set();
        pace.Stir();
    }

    [LoggerMessage(1, LogLevel.Warning, "Not listening for tasks at the moment, polling: {Reason}")]
    private partial void LogLost(string reason);
}
