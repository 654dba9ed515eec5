using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>Why tasks are left alone for a while, though there are some.</summary>
/// <param name="Space">The space's public id.</param>
/// <param name="Cause">A short, stable word.</param>
/// <param name="Message">What happened.</param>
/// <param name="Until">When they are tried again.</param>
public sealed record RestRow(string Space, string Cause, string Message, DateTimeOffset Until);

/// <summary>
/// Rests of one workspace's tasks in a space, for a reason that concerns nobody else: its budget is used up. A change of its budgets ends them, by a
/// trigger, in the transaction of the change.
/// </summary>
public sealed class WorkspaceRestStore(NpgsqlDataSource dataSource)
{
    private const string BeginSql = """
        INSERT INTO workspace_rests AS r (workspace_id, space_id, until, cause, message)
        VALUES ($1, $2, now() + $3, $4, $5)
        ON CONFLICT (workspace_id, space_id) DO UPDATE SET until = excluded.until, cause = excluded.cause, message = excluded.message
        WHERE r.until <= now()
        """;

    private const string EndSql = "DELETE FROM workspace_rests WHERE workspace_id = $1 AND space_id = $2";

    // A rest that has just ended is still the reason why there are tasks: they are being tried.
    private const string ListSql = """
        SELECT s.id, x.cause, x.message, x.until
        FROM (
            SELECT r.space_id, r.cause, r.message, r.until FROM workspace_rests r WHERE r.workspace_id = $1
            UNION ALL
            SELECT c.space_id, c.cause, c.message, c.until
            FROM route_spaces t JOIN cooldowns c ON c.space_id = t.space_id
            WHERE t.workspace_id = $1) x
        JOIN spaces s ON s.space_id = x.space_id
        WHERE x.until > now() - interval '1 minute'
        ORDER BY x.until DESC, s.id LIMIT 10
        """;

    /// <summary>Lets nobody claim tasks of a workspace in a space for a while, unless they rest already.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="spaceId">The space.</param>
    /// <param name="rest">For how long.</param>
    /// <param name="cause">A short, stable word.</param>
    /// <param name="message">What happened.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    /// <returns>False when they rest already.</returns>
    public async Task<bool> BeginAsync(
        int workspaceId, int spaceId, TimeSpan rest, string cause, string message, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(BeginSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = spaceId });
        command.Parameters.Add(new() { Value = rest, NpgsqlDbType = NpgsqlDbType.Interval });
        command.Parameters.Add(new() { Value = cause });
        command.Parameters.Add(new() { Value = message });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>Ends a rest, because the workspace's texts are embedded again.</summary>
    public async Task EndAsync(int workspaceId, int spaceId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(EndSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = spaceId });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Why a workspace's tasks rest: its own reasons, and those of the spaces on its route; at most 10.</summary>
    public async Task<IReadOnlyList<RestRow>> ListAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = workspaceId });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rests = new List<RestRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rests.Add(new(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetFieldValue<DateTimeOffset>(3)));
        }

        return rests;
    }
}
