using Npgsql;

namespace RagPlatform.Storage;

/// <summary>A place in a workspace's change log, between two changes.</summary>
/// <param name="Xid">The transaction of the last change before it.</param>
/// <param name="ChangeId">The last change before it.</param>
public readonly record struct ChangePosition(ulong Xid, long ChangeId);

/// <summary>A change of a document.</summary>
/// <param name="Position">The place behind it.</param>
/// <param name="DocumentId">The document.</param>
/// <param name="Revision">Its revision after the change.</param>
/// <param name="Kind"><c>insert</c>, <c>update</c> or <c>delete</c>.</param>
/// <param name="At">When it was made.</param>
public sealed record ChangeRow(ChangePosition Position, string DocumentId, long Revision, string Kind, DateTimeOffset At);

/// <summary>The log of changes, for others to follow. Written by triggers, pruned by the worker.</summary>
public sealed class ChangeStore(NpgsqlDataSource dataSource)
{
    // Below the oldest running transaction nothing can be added any more.
    private const string ListSql = """
        SELECT xid, change_id, document_id, revision, kind, changed_at
        FROM documents_changes
        WHERE workspace_id = $1 AND (xid, change_id) > ($2, $3) AND xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xid, change_id
        LIMIT $4
        """;

    private const string EndSql = """
        SELECT xid, change_id FROM documents_changes
        WHERE workspace_id = $1 AND xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xid DESC, change_id DESC LIMIT 1
        """;

    /// <summary>Changes behind a place, oldest first. A change is there once every transaction that is older than its own has ended.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="after">The place; the default is the beginning of what is kept.</param>
    /// <param name="limit">Rows, at most.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyList<ChangeRow>> ListAsync(int workspaceId, ChangePosition after, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = after.Xid, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Xid8 });
        command.Parameters.Add(new() { Value = after.ChangeId });
        command.Parameters.Add(new() { Value = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var changes = new List<ChangeRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            changes.Add(new(
                new(reader.GetFieldValue<ulong>(0), reader.GetInt64(1)),
                reader.GetString(2),
                reader.GetInt64(3),
                reader.GetString(4),
                reader.GetFieldValue<DateTimeOffset>(5)));
        }

        return changes;
    }

    /// <summary>The place behind the newest change; the beginning when there is none.</summary>
    public async Task<ChangePosition> FindEndAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(EndSql);
        command.Parameters.Add(new() { Value = workspaceId });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? new(reader.GetFieldValue<ulong>(0), reader.GetInt64(1)) : default;
    }
}
