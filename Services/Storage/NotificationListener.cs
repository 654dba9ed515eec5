using Npgsql;

namespace RagPlatform.Storage;

/// <summary>
/// Listens to PostgreSQL's notifications. They are hints that make waiting short: behind PgBouncer in transaction mode none arrive, so whoever
/// listens also polls.
/// </summary>
public sealed class NotificationListener(NpgsqlDataSource dataSource)
{
    private const string ListenToGenerationsSql = "LISTEN rag_generations";

    private const string UnlistenSql = "UNLISTEN *";

    /// <summary>Listens, on a connection of its own, for workspaces whose generation was raised or that were deleted.</summary>
    /// <param name="onListening">Called when listening begins: what was raised before may have been missed.</param>
    /// <param name="onRaised">Called with the <c>workspace_id</c>, on the listening thread: it must return quickly.</param>
    /// <param name="cancellationToken">Ends listening.</param>
    /// <returns>A task that never completes by itself: it faults when the connection is lost, and is cancelled by the token.</returns>
    /// <exception cref="NpgsqlException">The server cannot be reached, or the connection was lost.</exception>
    public async Task ListenToGenerationsAsync(Action onListening, Action<int> onRaised, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(onListening);
        ArgumentNullException.ThrowIfNull(onRaised);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        connection.Notification += (_, notification) =>
        {
            if (int.TryParse(notification.Payload, out var workspaceId))
            {
                onRaised(workspaceId);
            }
        };
        try
        {
            await ExecuteAsync(connection, ListenToGenerationsSql, cancellationToken);
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
