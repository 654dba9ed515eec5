using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>A reindexing.</summary>
/// <param name="JobId">Its id.</param>
/// <param name="Workspace">The workspace, or null for all.</param>
/// <param name="ChangedSince">Only documents that changed since, or null.</param>
/// <param name="Raised">Documents whose tasks have been raised so far.</param>
/// <param name="StartedAt">When it was asked for.</param>
/// <param name="FinishedAt">When the last task was raised, or null.</param>
public sealed record ReindexRow(
    long JobId, string? Workspace, DateTimeOffset? ChangedSince, long Raised, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt);

/// <summary>
/// Reindexing in the background: of one workspace or of everything, step by step, going on where it was after a restart.
/// </summary>
public sealed class ReindexStore(NpgsqlDataSource dataSource)
{
    private const string StartSql = """
        INSERT INTO reindex_jobs (workspace_id, changed_since, priority, after_workspace)
        SELECT w.workspace_id, $2, $3, coalesce(w.workspace_id, 0)
        FROM (SELECT 1) one LEFT JOIN workspaces w ON w.name = $1 AND w.deleted_at IS NULL
        WHERE $1 IS NULL OR w.workspace_id IS NOT NULL
        RETURNING job_id
        """;

    // One step of the oldest job that nobody else is at.
    private const string StepSql = """
        WITH job AS MATERIALIZED (
            SELECT * FROM reindex_jobs WHERE finished_at IS NULL ORDER BY job_id LIMIT 1 FOR UPDATE SKIP LOCKED
        ), page AS MATERIALIZED (
            SELECT d.workspace_id, d.document_key, d.document_id, d.revision
            FROM job j JOIN documents d ON (d.workspace_id, d.document_key) > (j.after_workspace, j.after_key)
                AND d.workspace_id <= coalesce(j.workspace_id, 2147483647)
                AND (j.changed_since IS NULL OR d.updated_at >= j.changed_since)
            ORDER BY d.workspace_id, d.document_key LIMIT $1
        ), raised AS MATERIALIZED (
            SELECT raise_tasks(array_agg(workspace_id), array_agg(document_id), array_agg(revision),
                array_agg((SELECT priority FROM job))) IS NULL AS done
            FROM page HAVING count(*) > 0
        ), moved AS (
            UPDATE reindex_jobs r
            SET raised = r.raised + p.count, finished_at = CASE WHEN p.count < $1 THEN now() END,
                after_workspace = coalesce(p.workspace, r.after_workspace), after_key = coalesce(p.key, r.after_key)
            FROM job, (SELECT count(*) AS count, (SELECT workspace_id FROM page ORDER BY workspace_id DESC, document_key DESC LIMIT 1) AS workspace,
                              (SELECT document_key FROM page ORDER BY workspace_id DESC, document_key DESC LIMIT 1) AS key FROM page) p
            WHERE r.job_id = job.job_id
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM moved)::int, (SELECT count(*) FROM raised)
        """;

    private const string ListSql = """
        SELECT j.job_id, w.name, j.changed_since, j.raised, j.started_at, j.finished_at
        FROM reindex_jobs j LEFT JOIN workspaces w USING (workspace_id) ORDER BY j.job_id DESC LIMIT 100
        """;

    /// <summary>Asks for a reindexing; workers raise its tasks step by step.</summary>
    /// <param name="workspace">The workspace, or null for all.</param>
    /// <param name="changedSince">Only documents that changed since, or null.</param>
    /// <param name="priority">0 low, 1 normal, 2 high.</param>
    /// <param name="cancellationToken">Cancels; nothing is asked for then.</param>
    /// <returns>The job, or null when there is no such workspace.</returns>
    public async Task<long?> StartAsync(
        string? workspace, DateTimeOffset? changedSince, short priority, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(StartSql);
        command.Parameters.Add(new() { Value = (object?)workspace ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new()
        {
            Value = changedSince is { } since ? since.ToUniversalTime() : DBNull.Value,
            NpgsqlDbType = NpgsqlDbType.TimestampTz,
        });
        command.Parameters.Add(new() { Value = priority });
        return (long?)await command.ExecuteScalarAsync(cancellationToken);
    }

    /// <summary>Raises the tasks of the next documents of the oldest reindexing that is open.</summary>
    /// <param name="documents">Documents, at most.</param>
    /// <param name="cancellationToken">Cancels; nothing is half done.</param>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> StepAsync(int documents, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(StepSql);
        command.Parameters.Add(new() { Value = (long)documents });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))! > 0;
    }

    /// <summary>Reindexings, newest first, at most 100.</summary>
    public async Task<IReadOnlyList<ReindexRow>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var jobs = new List<ReindexRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            jobs.Add(new(
                reader.GetInt64(0),
                reader.IsDBNull(1) ? null : reader.GetString(1),
                reader.IsDBNull(2) ? null : reader.GetFieldValue<DateTimeOffset>(2),
                reader.GetInt64(3),
                reader.GetFieldValue<DateTimeOffset>(4),
                reader.IsDBNull(5) ? null : reader.GetFieldValue<DateTimeOffset>(5)));
        }

        return jobs;
    }
}
