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
        RETURNING job_id, started_at, pg_notify('rag_control', '')
        """;

    // One step of the job that has waited longest for its turn, of those that nobody else is at. Of a job for changed documents a step looks at
    // ten times as many, because it raises few of them.
    private const string StepSql = """
        WITH job AS MATERIALIZED (
            SELECT *, CASE WHEN changed_since IS NULL THEN $1 ELSE 10 * $1 END AS step
            FROM reindex_jobs WHERE finished_at IS NULL ORDER BY stepped_at, job_id LIMIT 1 FOR UPDATE SKIP LOCKED
        ), page AS MATERIALIZED (
            SELECT d.workspace_id, d.document_key, d.document_id, d.revision, j.changed_since IS NULL OR d.updated_at >= j.changed_since AS wanted
            FROM job j JOIN documents d ON (d.workspace_id, d.document_key) > (j.after_workspace, j.after_key)
                AND d.workspace_id <= coalesce(j.workspace_id, 2147483647)
            ORDER BY d.workspace_id, d.document_key LIMIT (SELECT step FROM job)
        ), raised AS MATERIALIZED (
            SELECT raise_tasks(array_agg(workspace_id), array_agg(document_id), array_agg(revision),
                array_agg((SELECT priority FROM job))) IS NULL AS done
            FROM page WHERE wanted HAVING count(*) > 0
        ), moved AS (
            UPDATE reindex_jobs r
            SET raised = r.raised + p.wanted, finished_at = CASE WHEN p.count < job.step THEN now() END, stepped_at = clock_timestamp(),
                after_workspace = coalesce(p.workspace, r.after_workspace), after_key = coalesce(p.key, r.after_key)
            FROM job, (SELECT count(*) AS count, count(*) FILTER (WHERE wanted) AS wanted,
                              (SELECT workspace_id FROM page ORDER BY workspace_id DESC, document_key DESC LIMIT 1) AS workspace,
                              (SELECT document_key FROM page ORDER BY workspace_id DESC, document_key DESC LIMIT 1) AS key FROM page) p
            WHERE r.job_id = job.job_id
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM moved)::int, (SELECT count(*) FROM raised)
        """;

    private const string ListSql = """
        SELECT j.job_id, w.name, j.changed_since, j.raised, j.started_at, j.finished_at
        FROM reindex_jobs j LEFT JOIN workspaces w USING (workspace_id)
        WHERE ($1::int IS NULL OR j.workspace_id = $1) AND ($2::bigint IS NULL OR j.job_id = $2)
        ORDER BY j.job_id DESC LIMIT 100
        """;

    /// <summary>Asks for a reindexing; workers raise its tasks step by step.</summary>
    /// <param name="workspace">The workspace, or null for all.</param>
    /// <param name="changedSince">Only documents that changed since, or null.</param>
    /// <param name="priority">0 low, 1 normal, 2 high.</param>
    /// <param name="cancellationToken">Cancels; nothing is asked for then.</param>
    /// <returns>The job, or null when there is no such workspace.</returns>
    public async Task<ReindexRow?> StartAsync(
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
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new(reader.GetInt64(0), workspace, changedSince?.ToUniversalTime(), 0, reader.GetFieldValue<DateTimeOffset>(1), null)
            : null;
    }

    /// <summary>Raises the tasks of the next documents of a reindexing that is open; reindexings take turns.</summary>
    /// <param name="documents">Documents, at most; of a reindexing of changed documents, ten times as many are looked at.</param>
    /// <param name="cancellationToken">Cancels; nothing is half done.</param>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> StepAsync(int documents, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(StepSql);
        command.Parameters.Add(new() { Value = (long)documents });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))! > 0;
    }

    /// <summary>Reindexings, newest first, at most 100.</summary>
    /// <param name="workspaceId">Only those of this workspace alone, or null for all.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public Task<IReadOnlyList<ReindexRow>> ListAsync(int? workspaceId, CancellationToken cancellationToken) =>
        ListAsync(workspaceId, null, cancellationToken);

    /// <summary>A reindexing, or null.</summary>
    /// <param name="workspaceId">The workspace that it must be of, or null for any.</param>
    /// <param name="jobId">Its id.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<ReindexRow?> FindAsync(int? workspaceId, long jobId, CancellationToken cancellationToken) =>
        (await ListAsync(workspaceId, jobId, cancellationToken)).SingleOrDefault();

    private async Task<IReadOnlyList<ReindexRow>> ListAsync(int? workspaceId, long? jobId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = (object?)workspaceId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer });
        command.Parameters.Add(new() { Value = (object?)jobId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint });
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
