using Npgsql;

namespace RagPlatform.Storage;

/// <summary>
/// Listens to PostgreSQL's notifications. They are hints that make waiting short: behind PgBouncer in transaction mode none arrive, so whoever
/// listens also polls.
/// </summary>
public sealed class NotificationListener(NpgsqlDataSource dataSource)
{
    private const string ListenToGenerationsSql = "LISTEN rag_generations";

    private const string ListenToTasksSql = "LISTEN rag_tasks; LISTEN rag_control";

    private const string ControlChannel = "rag_control";

    private const string UnlistenSql = "UNLISTEN *";

    /// <summary>Listens, on a connection of its own, for workspaces whose generation was raised or that were deleted.</summary>
    /// <param name="onListening">Called when listening begins: what was raised before may have been missed.</param>
    /// <param name="onRaised">Called with the <c>workspace_id</c>, on the listening thread: it must return quickly.</param>
    /// <param name="cancellationToken">Ends listening.</param>
    /// <returns>A task that never completes by itself: it faults when the connection is lost, and is cancelled by the token.</returns>
    /// <exception cref="NpgsqlException">The server cannot be reached, or the connection was lost.</exception>
    public Task ListenToGenerationsAsync(Action onListening, Action<int> onRaised, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(onListening);
        ArgumentNullException.ThrowIfNull(onRaised);
        return ListenAsync(
            ListenToGenerationsSql,
            onListening,
            (_, payload) =>
            {
                if (int.TryParse(payload, out var workspaceId))
                {
                    onRaised(workspaceId);
                }
            },
            cancellationToken);
    }

    /// <summary>Listens, on a connection of its own, for tasks that were raised, and for what people ask the workers for.</summary>
    /// <param name="onTask">Called when tasks were raised, and once when listening begins. On the listening thread: it must return quickly.</param>
    /// <param name="onControl">Called when a workspace was paused or cancelled, or a check asked for, and once when listening begins; likewise.</param>
    /// <param name="cancellationToken">Ends listening.</param>
    /// <returns>A task that never completes by itself: it faults when the connection is lost, and is cancelled by the token.</returns>
    /// <exception cref="NpgsqlException">The server cannot be reached, or the connection was lost.</exception>
    public Task ListenToTasksAsync(Action onTask, Action onControl, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(onTask);
        ArgumentNullException.ThrowIfNull(onControl);
        return ListenAsync(
            ListenToTasksSql,
            () =>
            {
                onTask();
                onControl();
            },
            (channel, _) => (channel == ControlChannel ? onControl : onTask)(),
            cancellationToken);
    }

    private async Task ListenAsync(string sql, Action onListening, Action<string, string> onNotification, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        connection.Notification += (_, notification) => onNotification(notification.Channel, notification.Payload);
        try
        {
            await ExecuteAsync(connection, sql, cancellationToken);
            onListening();
            while (true)
            {
                await connection.WaitAsync(cancellationToken);
            }
        }
        finally
        {
            // The pool does not reset connections, so one that still listens must not go back to it.
            if (connection.FullState == System.Data.ConnectionState.Open)
            {
                await ExecuteAsync(connection, UnlistenSql, CancellationToken.None);
            }
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
