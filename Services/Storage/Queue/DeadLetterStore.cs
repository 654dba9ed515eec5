using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>A task that failed for good.</summary>
/// <param name="DocumentId">The document.</param>
/// <param name="Space">The public id of the space that it could not be indexed in.</param>
/// <param name="Revision">The document's revision then.</param>
/// <param name="Cause">A short, stable word for the kind of failure.</param>
/// <param name="Attempts">The attempts, oldest first.</param>
/// <param name="FailedAt">When it failed for good.</param>
/// <param name="DiscardedAt">When it was discarded, or null.</param>
public sealed record DeadLetterRow(
    string DocumentId,
    string Space,
    long Revision,
    string Cause,
    IReadOnlyList<TaskAttempt> Attempts,
    DateTimeOffset FailedAt,
    DateTimeOffset? DiscardedAt);

/// <summary>Dead letters of one cause.</summary>
/// <param name="Cause">The cause.</param>
/// <param name="Count">How many there are.</param>
/// <param name="OldestAt">When the oldest failed.</param>
/// <param name="NewestAt">When the newest failed.</param>
/// <param name="Message">What the newest one's last attempt said.</param>
/// <param name="DocumentId">The newest one's document.</param>
public sealed record DeadLetterCauseRow(
    string Cause, long Count, DateTimeOffset OldestAt, DateTimeOffset NewestAt, string Message, string DocumentId);

/// <summary>Which dead letters of a workspace: those of all conditions that are not null.</summary>
/// <param name="Ids">Documents.</param>
/// <param name="Cause">The cause.</param>
public sealed record DeadLetterFilter(IReadOnlyList<string>? Ids = null, string? Cause = null);

/// <summary>Dead letters: tasks that wait for a person.</summary>
public sealed class DeadLetterStore(NpgsqlDataSource dataSource)
{
    private const string ListSql = """
        SELECT l.document_id, s.id, l.revision, l.cause, l.history::text, l.failed_at, l.discarded_at
        FROM dead_letters l JOIN spaces s USING (space_id)
        WHERE l.workspace_id = $1 AND (l.document_id, s.id) > ($2, $3) AND ($4 IS NULL OR l.cause = $4) AND (l.discarded_at IS NOT NULL) = $5
        ORDER BY l.document_id, s.id
        LIMIT $6
        """;

    private const string CausesSql = """
        SELECT cause, count(*), min(failed_at), max(failed_at),
               (array_agg(coalesce(history -> -1 ->> 'message', '') ORDER BY failed_at DESC))[1],
               (array_agg(document_id ORDER BY failed_at DESC))[1]
        FROM dead_letters
        WHERE workspace_id = $1 AND discarded_at IS NULL
        GROUP BY cause
        ORDER BY count(*) DESC, cause
        LIMIT 1000
        """;

    // A document that has gone meanwhile, or a space that is no longer on the route, needs nothing: its dead letter just goes.
    private const string ReplaySql = """
        WITH documents_held AS MATERIALIZED (
            SELECT d.document_id
            FROM dead_letters l JOIN documents d ON d.workspace_id = l.workspace_id AND d.document_id = l.document_id
            WHERE l.workspace_id = $1 AND ($2::text[] IS NULL OR l.document_id = ANY ($2)) AND ($3 IS NULL OR l.cause = $3)
            ORDER BY d.document_id
            FOR NO KEY UPDATE OF d
        ), letters AS MATERIALIZED (
            SELECT workspace_id, document_id, space_id FROM dead_letters
            WHERE workspace_id = $1 AND ($2::text[] IS NULL OR document_id = ANY ($2)) AND ($3 IS NULL OR cause = $3)
                AND (discarded_at IS NULL OR $2 IS NOT NULL OR $3 IS NOT NULL)
                AND (SELECT count(*) FROM documents_held) >= 0
            ORDER BY document_id, space_id
            FOR UPDATE
        ), gone AS (
            DELETE FROM dead_letters l USING letters o
            WHERE l.workspace_id = o.workspace_id AND l.document_id = o.document_id AND l.space_id = o.space_id
            RETURNING l.workspace_id, l.document_id, l.space_id
        ), replayed AS (
            INSERT INTO tasks (workspace_id, document_id, space_id, revision, version, priority)
            SELECT g.workspace_id, g.document_id, g.space_id, d.revision, nextval('task_version'), d.priority
            FROM gone g
            JOIN documents d USING (workspace_id, document_id)
            JOIN route_spaces r USING (workspace_id, space_id)
            ORDER BY g.workspace_id, g.document_id, g.space_id
            ON CONFLICT (workspace_id, document_id, space_id) DO NOTHING
            RETURNING 1
        ), notified AS (
            SELECT pg_notify('rag_tasks', '') FROM (SELECT FROM replayed LIMIT 1) r
        )
        SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM notified)
        """;

    private const string DiscardSql = """
        UPDATE dead_letters l SET discarded_at = now()
        FROM (
            SELECT document_id, space_id FROM dead_letters
            WHERE workspace_id = $1 AND ($2::text[] IS NULL OR document_id = ANY ($2)) AND ($3 IS NULL OR cause = $3) AND discarded_at IS NULL
            ORDER BY document_id, space_id
            FOR NO KEY UPDATE) o
        WHERE l.workspace_id = $1 AND l.document_id = o.document_id AND l.space_id = o.space_id
        """;

    /// <summary>Dead letters by document and space.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="after">Document and space of the last one of the page before; empty for the first page.</param>
    /// <param name="cause">Only those of this cause, or null.</param>
    /// <param name="discarded">Those that were discarded, rather than those that were not.</param>
    /// <param name="limit">Rows, at most.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyList<DeadLetterRow>> ListAsync(
        int workspaceId, (string DocumentId, string Space) after, string? cause, bool discarded, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = after.DocumentId });
        command.Parameters.Add(new() { Value = after.Space });
        command.Parameters.Add(Text(cause));
        command.Parameters.Add(new() { Value = discarded });
        command.Parameters.Add(new() { Value = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var letters = new List<DeadLetterRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            letters.Add(new(
                reader.GetString(0),
                reader.GetString(1),
                reader.GetInt64(2),
                reader.GetString(3),
                TaskAttempt.Parse(reader.GetString(4)),
                reader.GetFieldValue<DateTimeOffset>(5),
                reader.IsDBNull(6) ? null : reader.GetFieldValue<DateTimeOffset>(6)));
        }

        return letters;
    }

    /// <summary>The causes of dead letters that were not discarded, most frequent first, at most 1,000.</summary>
    public async Task<IReadOnlyList<DeadLetterCauseRow>> ListCausesAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(CausesSql);
        command.Parameters.Add(new() { Value = workspaceId });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var causes = new List<DeadLetterCauseRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            causes.Add(new(
                reader.GetString(0),
                reader.GetInt64(1),
                reader.GetFieldValue<DateTimeOffset>(2),
                reader.GetFieldValue<DateTimeOffset>(3),
                reader.GetString(4),
                reader.GetString(5)));
        }

        return causes;
    }

    /// <summary>Makes dead letters tasks again, without their failed attempts; discarded ones as well when they are named or of the cause.</summary>
    /// <returns>How many dead letters there were.</returns>
    public async Task<long> ReplayAsync(int workspaceId, DeadLetterFilter filter, CancellationToken cancellationToken)
    {
        await using var command = CreateCommand(ReplaySql, workspaceId, filter);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Puts dead letters out of sight. Their documents stay as they are: not searchable.</summary>
    /// <returns>How many there were.</returns>
    public async Task<long> DiscardAsync(int workspaceId, DeadLetterFilter filter, CancellationToken cancellationToken)
    {
        await using var command = CreateCommand(DiscardSql, workspaceId, filter);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private NpgsqlCommand CreateCommand(string sql, int workspaceId, DeadLetterFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        var command = dataSource.CreateCommand(sql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new()
        {
            Value = filter.Ids?.ToArray() ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text,
        });
        command.Parameters.Add(Text(filter.Cause));
        return command;
    }

    private static NpgsqlParameter Text(string? value) => new() { Value = value ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text };
}
