using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>How far a workspace's queue is, cheaply: what progress needs once a second.</summary>
/// <param name="Queued">Tasks that wait for a worker or are in work.</param>
/// <param name="Retrying">Tasks that failed and wait for their next attempt.</param>
/// <param name="DeadLettered">Tasks that failed for good and were not discarded.</param>
/// <param name="PausedAt">Since when no task of the workspace is taken, or null.</param>
/// <param name="Reindexing">Whether a reindexing of the workspace, or of everything, still raises tasks.</param>
public sealed record QueueStatusRow(long Queued, long Retrying, long DeadLettered, DateTimeOffset? PausedAt, bool Reindexing = false);

/// <summary>What a person does with the indexing of a workspace.</summary>
public sealed class IndexingControlStore(NpgsqlDataSource dataSource, TimeProvider? time = null)
{
    private const string StatusSql = """
        SELECT t.queued, t.retrying, (SELECT count(*) FROM dead_letters WHERE workspace_id = $1 AND discarded_at IS NULL), w.indexing_paused_at,
               EXISTS (SELECT FROM reindex_jobs j WHERE j.finished_at IS NULL AND (j.workspace_id IS NULL OR j.workspace_id = $1))
        FROM workspaces w,
             (SELECT count(*) FILTER (WHERE attempts = 0) AS queued, count(*) FILTER (WHERE attempts > 0) AS retrying
              FROM tasks WHERE workspace_id = $1) t
        WHERE w.workspace_id = $1
        """;

    private const string PauseSql = """
        UPDATE workspaces SET indexing_paused_at = coalesce(indexing_paused_at, now()) WHERE workspace_id = $1 AND deleted_at IS NULL
        """;

    // A claim that began before sees no pause: it is waited for, so that what it took is taken back with the rest.
    private const string AwaitClaimsSql = $"SELECT pg_advisory_xact_lock({Locks.Claims})";

    // Whoever works on a task loses it. One that is being written this moment is left to its worker, which asks before it commits.
    private const string TakeBackSql = """
        UPDATE tasks t SET lease_owner = NULL, leased_until = NULL, visible_at = now(), claims = 0
        FROM (
            SELECT workspace_id, document_id, space_id FROM tasks WHERE workspace_id = $1 AND lease_owner IS NOT NULL
            ORDER BY workspace_id, document_id, space_id
            FOR NO KEY UPDATE SKIP LOCKED) o
        WHERE t.workspace_id = o.workspace_id AND t.document_id = o.document_id AND t.space_id = o.space_id
        """;

    private const string NotifySql = "SELECT pg_notify('rag_control', $1::int::text)";

    private const string ResumeSql = """
        WITH resumed AS (
            UPDATE workspaces SET indexing_paused_at = NULL WHERE workspace_id = $1 AND deleted_at IS NULL RETURNING 1
        )
        SELECT pg_notify('rag_tasks', '') FROM resumed
        """;

    // Nothing may get lost silently: a document whose index is not of its text becomes a dead letter, which can be replayed. $2 is the newest task of when it
    // began: those that are raised meanwhile stay.
    private const string CancelSql = """
        WITH chosen AS MATERIALIZED (
            SELECT document_id, space_id FROM tasks WHERE workspace_id = $1 AND version <= $2
            ORDER BY document_id, space_id LIMIT $3
            FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM tasks t USING chosen c
            WHERE t.workspace_id = $1 AND t.document_id = c.document_id AND t.space_id = c.space_id
            RETURNING t.workspace_id, t.document_id, t.space_id, t.revision, t.history
        ), buried AS (
            INSERT INTO dead_letters (workspace_id, document_id, space_id, revision, cause, history)
            SELECT g.workspace_id, g.document_id, g.space_id, g.revision, 'cancelled',
                   g.history || jsonb_build_object('at', now(), 'cause', 'cancelled', 'message', 'A person cancelled the workspace''s indexing.')
            FROM gone g
            JOIN documents d USING (workspace_id, document_id)
            LEFT JOIN indexed_documents i
                ON i.workspace_id = d.workspace_id AND i.document_key = d.document_key AND i.space_id = g.space_id
            WHERE i.text_hash IS DISTINCT FROM document_hash(d.text, d.prepared)
            ORDER BY g.document_id, g.space_id
            ON CONFLICT (workspace_id, document_id, space_id) DO UPDATE
            SET revision = excluded.revision, cause = excluded.cause, history = excluded.history, failed_at = now(), discarded_at = NULL
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM buried)
        """;

    private const string NewestTaskSql = "SELECT coalesce(max(version), 0) FROM tasks WHERE workspace_id = $1";

    private const string HasTasksSql = "SELECT EXISTS (SELECT FROM tasks WHERE workspace_id = $1 AND version <= $2)";

    private const int CancelStep = 200;

    // For tasks that are being written when everybody else's are gone.
    private static readonly TimeSpan s_cancelPause = TimeSpan.FromMilliseconds(100);
    private const int CancelPauses = 50;

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
                reader.IsDBNull(3) ? null : reader.GetFieldValue<DateTimeOffset>(3),
                reader.GetBoolean(4))
            : null;
    }

    /// <summary>
    /// Lets no worker take tasks of the workspace any more, and takes back those that workers hold, without an attempt: once this has returned,
    /// nothing of the workspace is written until <see cref="ResumeAsync"/>. Writes of documents go on being queued.
    /// </summary>
    public async Task PauseAsync(int workspaceId, CancellationToken cancellationToken)
    {
        // A transaction each: neither the workspace nor the lock of all claims is held while something else is waited for.
        await ExecuteAsync(CreateCommand(PauseSql, workspaceId), cancellationToken);
        await ExecuteAsync(dataSource.CreateCommand(AwaitClaimsSql), cancellationToken);
        await TransactionRetry.RunAsync(token => ExecuteAsync(CreateCommand(TakeBackSql, workspaceId), token), cancellationToken);
        await ExecuteAsync(CreateCommand(NotifySql, workspaceId), cancellationToken);
    }

    /// <summary>Ends a pause, and wakes the workers.</summary>
    public async Task ResumeAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = CreateCommand(ResumeSql, workspaceId);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Takes every task out of the queue. Documents that are searchable with their present text stay so; the others become dead letters of the
    /// cause <c>cancelled</c>. What a worker is at is not written, unless it is being written this moment.
    /// </summary>
    /// <returns>How many tasks there were, and how many dead letters they became.</returns>
    public async Task<(long Tasks, long DeadLetters)> CancelAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var find = CreateCommand(NewestTaskSql, workspaceId);
        var newest = (long)(await find.ExecuteScalarAsync(cancellationToken))!;
        var (tasks, letters) = (0L, 0L);
        for (var pauses = 0; ;)
        {
            var (gone, buried) = await TransactionRetry.RunAsync(token => CancelStepAsync(workspaceId, newest, token), cancellationToken);
            (tasks, letters) = (tasks + gone, letters + buried);
            if (gone > 0)
            {
                continue;
            }

            if (++pauses > CancelPauses || !await HasTasksAsync(workspaceId, newest, cancellationToken))
            {
                break;
            }

            await Task.Delay(s_cancelPause, time ?? TimeProvider.System, cancellationToken);
        }

        await ExecuteAsync(CreateCommand(NotifySql, workspaceId), cancellationToken);
        return (tasks, letters);
    }

    private async Task<(long Tasks, long DeadLetters)> CancelStepAsync(int workspaceId, long newest, CancellationToken cancellationToken)
    {
        await using var command = CreateCommand(CancelSql, workspaceId);
        command.Parameters.Add(new() { Value = newest });
        command.Parameters.Add(new() { Value = CancelStep });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetInt64(0), reader.GetInt64(1));
    }

    private async Task<bool> HasTasksAsync(int workspaceId, long newest, CancellationToken cancellationToken)
    {
        await using var command = CreateCommand(HasTasksSql, workspaceId);
        command.Parameters.Add(new() { Value = newest });
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static async Task<int> ExecuteAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using (command)
        {
            return await command.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    private NpgsqlCommand CreateCommand(string sql, int workspaceId)
    {
        var command = dataSource.CreateCommand(sql);
        command.Parameters.Add(new() { Value = workspaceId });
        return command;
    }
}
