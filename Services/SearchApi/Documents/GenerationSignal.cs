using System.Collections.Concurrent;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>
/// Wakes whoever waits for a change of a workspace, over one connection that listens for the whole process. A hint only: without it
/// (PgBouncer, a lost connection) waiters poll, and the cache of workspaces lives for its second.
/// </summary>
internal sealed partial class GenerationSignal(
    NotificationListener listener, SchemaMigrator migrator, WorkspaceCache workspaces, TimeProvider time, ILogger<GenerationSignal> logger)
    : BackgroundService
{
    private static readonly TimeSpan s_retryDelay = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<int, TaskCompletionSource> _waiting = new();

    /// <summary>Called with the <c>workspace_id</c> when a workspace has changed, on the listening thread: it must return quickly.</summary>
    public event Action<int>? Raised;

    /// <summary>A task that completes at the next change of the workspace. Take it before looking at the state, so that no change falls between.</summary>
    public Task NextAsync(int workspaceId) =>
        _waiting.GetOrAdd(workspaceId, static _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await migrator.Ready.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var lost = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await listener.ListenToGenerationsAsync(OnListening, OnRaised, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (!lost)
                {
                    LogLost(e.GetType().Name);
                }

                lost = true;
                await Task.Delay(s_retryDelay, time, stoppingToken);
            }
        }

        void OnListening()
        {
            lost = false;
            workspaces.Clear();
            foreach (var workspaceId in _waiting.Keys)
            {
                Wake(workspaceId);
            }

            LogListening();
        }
    }

    private void OnRaised(int workspaceId)
    {
        workspaces.Invalidate(workspaceId);
        Wake(workspaceId);
        Raised?.Invoke(workspaceId);
    }

    private void Wake(int workspaceId)
    {
        if (_waiting.TryRemove(workspaceId, out var signal))
        {
            signal.SetResult();
        }
    }

    [LoggerMessage(1, LogLevel.Debug, "Listening for changes of workspaces.")]
    private partial void LogListening();

    [LoggerMessage(2, LogLevel.Warning, "Not listening for changes of workspaces ({Failure}): waiting writes poll until the connection is back.")]
    private partial void LogLost(string failure);
}
