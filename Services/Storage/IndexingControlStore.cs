using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>How far a workspace's queue is, cheaply: what progress needs once a second.</summary>
/// <param name="Queued">Tasks that wait for a worker or are in work.</param>
/// <param name="Retrying">Tasks that failed and wait for their next attempt.</param>
/// <param name="DeadLettered">Tasks that failed for good and were not discarded.</param>
/// <param name="PausedAt">Since when no task of the workspace is taken, or null.</param>
public sealed record QueueStatusRow(long Queued, long Retrying, long DeadLettered, DateTimeOffset? PausedAt);

/// <summary>What a person does with the indexing of a workspace.</summary>
public sealed class IndexingControlStore(NpgsqlDataSource dataSource)
{
    private const string StatusSql = """
        SELECT t.queued, t.retrying, (SELECT count(*) FROM dead_letters WHERE workspace_id = $1 AND discarded_at IS NULL), w.indexing_paused_at
        FROM workspaces w,
             (SELECT count(*) FILTER (WHERE attempts = 0) AS queued, count(*) FILTER (WHERE attempts > 0) AS retrying
              FROM tasks WHERE workspace_id = $1) t
        WHERE w.workspace_id = $1
        """;

    private const string PauseSql = """
        UPDATE workspaces SET indexing_paused_at = coalesce(indexing_paused_at, now()) WHERE workspace_id = $1 AND deleted_at IS NULL
        """;

    private const string ResumeSql = """
        WITH resumed AS (
            UPDATE workspaces SET indexing_paused_at = NULL WHERE workspace_id = $1 AND deleted_at IS NULL RETURNING 1
        )
        SELECT pg_notify('rag_tasks', '') FROM resumed
        """;

    // Nothing may get lost silently: a document whose index is not of its text becomes a dead letter, which can be replayed.
    private const string CancelSql = """
        WITH gone AS (
            DELETE FROM tasks WHERE workspace_id = $1 RETURNING workspace_id, document_id, space_id, revision, history
        )
        INSERT INTO dead_letters (workspace_id, document_id, space_id, revision, cause, history)
        SELECT g.workspace_id, g.document_id, g.space_id, g.revision, 'cancelled',
               g.history || jsonb_build_object('at', now(), 'cause', 'cancelled', 'message', 'A person cancelled the workspace''s indexing.')
        FROM gone g
        JOIN documents d USING (workspace_id, document_id)
        LEFT JOIN indexed_documents i
            ON i.workspace_id = d.workspace_id AND i.document_key = d.document_key AND i.space_id = g.space_id
        WHERE i.text_hash IS DISTINCT FROM sha256(convert_to(d.text, 'UTF8'))
        ON CONFLICT (workspace_id, document_id, space_id) DO UPDATE
        SET revision = excluded.revision, cause = excluded.cause, history = excluded.history, failed_at = now(), discarded_at = NULL
        """;

    private const string CountTasksSql = "SELECT count(*) FROM tasks WHERE workspace_id = $1";

    private const string ReindexSql = """
        WITH page AS (
            SELECT workspace_id, document_id, revision FROM documents
            WHERE workspace_id = $1 AND document_id > $2 AND ($3 IS NULL OR updated_at >= $3)
            ORDER BY document_id LIMIT $4
        ), raised AS (
            SELECT raise_tasks(array_agg(workspace_id ORDER BY document_id), array_agg(document_id ORDER BY document_id),
                               array_agg(revision ORDER BY document_id), array_agg($5::smallint))
            FROM page HAVING count(*) > 0
        )
        SELECT p.count, p.last FROM (SELECT count(*) AS count, max(document_id) AS last FROM page) p, raised
        """;

    private const int ReindexPage = 5_000;

    /// <summary>How far the queue is, or null when the workspace does not exist any more.</summary>
    public async Task<QueueStatusRow?> FindStatusAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = CreateCommand(StatusSql, workspaceId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new(
                reader.GetInt64(0),
                reader.GetInt64(1),
                reader.GetInt64(2),
                reader.IsDBNull(3) ? null : reader.GetFieldValue<DateTimeOffset>(3))
            : null;
    }

    /// <summary>Lets no worker take tasks of the workspace any more. Writes go on being queued.</summary>
    public async Task PauseAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = CreateCommand(PauseSql, workspaceId);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Ends a pause, and wakes the workers.</summary>
    public async Task ResumeAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = CreateCommand(ResumeSql, workspaceId);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Takes every task out of the queue. Documents that are searchable with their present text stay so; the others become dead letters of the
    /// cause <c>cancelled</c>. What a worker is at is not written.
    /// </summary>
    /// <returns>How many tasks there were, and how many dead letters they became.</returns>
    public async Task<(long Tasks, long DeadLetters)> CancelAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(CountTasksSql) { Parameters = { new() { Value = workspaceId } } },
                new(CancelSql) { Parameters = { new() { Value = workspaceId } } },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var tasks = reader.GetInt64(0);
        await reader.NextResultAsync(cancellationToken);
        return (tasks, reader.RecordsAffected);
    }

    /// <summary>Raises tasks for documents as if their text had changed: 5,000 a transaction, so that writes wait for none of it for long.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="changedSince">Only documents written since then, or null for all.</param>
    /// <param name="priority">0 low, 1 normal, 2 high.</param>
    /// <param name="cancellationToken">Cancels; what was raised stays raised.</param>
    /// <returns>How many documents there were.</returns>
    public async Task<long> ReindexAsync(int workspaceId, DateTimeOffset? changedSince, short priority, CancellationToken cancellationToken)
    {
        var documents = 0L;
        for (var last = ""; ;)
        {
            await using var command = CreateCommand(ReindexSql, workspaceId);
            command.Parameters.Add(new() { Value = last });
            command.Parameters.Add(new()
            {
                Value = changedSince?.ToUniversalTime() ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz,
            });
            command.Parameters.Add(new() { Value = ReindexPage });
            command.Parameters.Add(new() { Value = priority });
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            if (!await reader.ReadAsync(cancellationToken) || reader.GetInt64(0) == 0)
            {
                return documents;
            }

            documents += reader.GetInt64(0);
            last = reader.GetString(1);
        }
    }

    private NpgsqlCommand CreateCommand(string sql, int workspaceId)
    {
        var command = dataSource.CreateCommand(sql);
        command.Parameters.Add(new() { Value = workspaceId });
        return command;
    }
}
