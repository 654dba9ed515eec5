using System.Diagnostics;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>
/// Listens to PostgreSQL's notifications. They are hints that make waiting short: behind PgBouncer in transaction mode none arrive, so whoever
/// listens also polls, seldom while <see cref="Hears"/> says that they do arrive.
/// </summary>
public sealed class NotificationListener(NpgsqlDataSource dataSource)
{
    private const string ListenToGenerationsSql = "LISTEN rag_generations; LISTEN rag_echo";

    private const string ListenToTasksSql = "LISTEN rag_tasks; LISTEN rag_control; LISTEN rag_echo";

    private const string ListenToEmbeddingSql = "LISTEN rag_embedding; LISTEN rag_echo";

    private const string EchoSql = "SELECT pg_notify('rag_echo', $1)";

    private const string ControlChannel = "rag_control";

    private const string EchoChannel = "rag_echo";

    private const string UnlistenSql = "UNLISTEN *";

    // A notification of our own, sent over another connection, that has to come back: a listener on a server connection that it does not keep hears nothing.
    private static readonly TimeSpan s_echoLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_echoInterval = TimeSpan.FromSeconds(30);

    private volatile bool _hears;

    /// <summary>
    /// Whether notifications arrive: it listens, and heard one that it sent itself, half a minute ago at most. Whoever waits for one may poll seldom then.
    /// </summary>
    public bool Hears => _hears;

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

    /// <summary>Listens, on a connection of its own, for changes of what the embedding service's replicas keep in memory.</summary>
    /// <param name="onListening">Called when listening begins: what was changed before may have been missed.</param>
    /// <param name="onChanged">Called with the table's name, on the listening thread: it must return quickly.</param>
    /// <param name="cancellationToken">Ends listening.</param>
    /// <returns>A task that never completes by itself: it faults when the connection is lost, and is cancelled by the token.</returns>
    /// <exception cref="NpgsqlException">The server cannot be reached, or the connection was lost.</exception>
    public Task ListenToEmbeddingAsync(Action onListening, Action<string> onChanged, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(onListening);
        ArgumentNullException.ThrowIfNull(onChanged);
        return ListenAsync(ListenToEmbeddingSql, onListening, (_, table) => onChanged(table), cancellationToken);
    }

    private async Task ListenAsync(string sql, Action onListening, Action<string, string> onNotification, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var (sent, heard) = ("", false);
        connection.Notification += (_, notification) =>
        {
            if (notification.Channel != EchoChannel)
            {
                onNotification(notification.Channel, notification.Payload);
            }
            else if (notification.Payload == sent)
            {
                heard = true;
            }
        };
        try
        {
            await ExecuteAsync(connection, sql, cancellationToken);
            onListening();
            while (true)
            {
                (sent, heard) = (Guid.NewGuid().ToString("n"), false);
                await EchoAsync(sent, cancellationToken);
                await WaitAsync(connection, s_echoLimit, () => heard, cancellationToken);
                _hears = heard;
                await WaitAsync(connection, s_echoInterval, () => false, cancellationToken);
            }
        }
        finally
        {
            _hears = false;

            // The pool does not reset connections, so one that still listens must not go back to it.
            if (connection.FullState == System.Data.ConnectionState.Open)
            {
                await ExecuteAsync(connection, UnlistenSql, CancellationToken.None);
            }
        }
    }

    private static async Task WaitAsync(NpgsqlConnection connection, TimeSpan time, Func<bool> enough, CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        while (!enough() && time - Stopwatch.GetElapsedTime(start) is { Ticks: > 0 } left)
        {
            await connection.WaitAsync(left, cancellationToken);
        }
    }

    private async Task EchoAsync(string payload, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(EchoSql);
        command.CommandTimeout = (int)s_echoLimit.TotalSeconds;
        command.Parameters.Add(new() { Value = payload });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
