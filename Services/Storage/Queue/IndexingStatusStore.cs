using System.Text.Json;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>A failed attempt at a task, as its history keeps it.</summary>
/// <param name="At">When it failed.</param>
/// <param name="Cause">A short, stable word for the kind of failure.</param>
/// <param name="Message">What happened, without text of the document.</param>
public sealed record TaskAttempt(DateTimeOffset At, string Cause, string Message)
{
    internal static IReadOnlyList<TaskAttempt> Parse(string json) =>
        JsonSerializer.Deserialize<List<TaskAttempt>>(json, JsonSerializerOptions.Web) ?? [];
}

/// <summary>Where a document stands.</summary>
public sealed record DocumentStatusRow(
    string Id, long Revision, DocumentState State, int Chunks, IReadOnlyList<TaskAttempt> Attempts, DateTimeOffset? NextAttemptAt);

/// <summary>Where a workspace stands: counts of rows and tasks.</summary>
public sealed record WorkspaceStatusRow(
    long Documents, long Chunks, long Queued, long Retrying, long DeadLettered, DateTimeOffset? OldestQueuedAt, long Generation, bool Reindexing);

/// <summary>Reads how far indexing is.</summary>
public sealed class IndexingStatusStore(NpgsqlDataSource dataSource)
{
    private const string DocumentSql = """
        SELECT d.revision,
               (SELECT count(*) FROM chunks c WHERE c.workspace_id = d.workspace_id AND c.document_key = d.document_key)::int,
               t.attempts, t.history::text, t.visible_at, l.history::text,
               EXISTS (
                   SELECT FROM routes r JOIN indexed_documents x
                       ON x.workspace_id = d.workspace_id AND x.document_key = d.document_key AND x.space_id = r.serving_space
                   WHERE r.workspace_id = d.workspace_id)
        FROM documents d
        LEFT JOIN LATERAL (
            SELECT attempts, history, visible_at FROM tasks t
            JOIN route_spaces r ON r.workspace_id = t.workspace_id AND r.space_id = t.space_id
            WHERE r.workspace_id = d.workspace_id AND t.workspace_id = d.workspace_id AND t.document_id = d.document_id
            ORDER BY attempts DESC LIMIT 1) t ON true
        LEFT JOIN LATERAL (
            SELECT history FROM dead_letters l
            WHERE l.workspace_id = d.workspace_id AND l.document_id = d.document_id LIMIT 1) l ON true
        WHERE d.workspace_id = $1 AND d.document_id = $2
        """;

    private const string WorkspaceSql = """
        SELECT (SELECT count(*) FROM documents WHERE workspace_id = $1),
               (SELECT count(*) FROM chunks WHERE workspace_id = $1),
               t.queued, t.retrying,
               (SELECT count(*) FROM dead_letters WHERE workspace_id = $1 AND discarded_at IS NULL),
               t.oldest,
               (SELECT generation FROM generations WHERE workspace_id = $1),
               EXISTS (SELECT FROM reindex_jobs j WHERE j.finished_at IS NULL AND (j.workspace_id IS NULL OR j.workspace_id = $1))
        FROM (
            SELECT count(*) FILTER (WHERE attempts = 0) AS queued, count(*) FILTER (WHERE attempts > 0) AS retrying, min(raised_at) AS oldest
            FROM tasks WHERE workspace_id = $1) t
        """;

    private const string StatesSql = """
        SELECT i.id,
               CASE
                   WHEN EXISTS (SELECT FROM dead_letters l WHERE l.workspace_id = $1 AND l.document_id = i.id) THEN 3
                   ELSE coalesce((
                       SELECT max(CASE WHEN t.attempts > 0 THEN 2 ELSE 1 END)
                       FROM route_spaces r JOIN tasks t ON t.workspace_id = $1 AND t.document_id = i.id AND t.space_id = r.space_id
                       WHERE r.workspace_id = $1), CASE WHEN EXISTS (
                           SELECT FROM documents d WHERE d.workspace_id = $1 AND d.document_id = i.id AND NOT EXISTS (
                               SELECT FROM routes r JOIN indexed_documents x
                                   ON x.workspace_id = $1 AND x.document_key = d.document_key AND x.space_id = r.serving_space
                               WHERE r.workspace_id = $1)) THEN 1 ELSE 0 END)
               END
        FROM unnest($2::text[]) AS i (id)
        """;

    /// <summary>Where a document stands, or null when there is none of that id.</summary>
    public async Task<DocumentStatusRow?> FindDocumentAsync(int workspaceId, string id, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(DocumentSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = id });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
        {
            return null;
        }

        var queued = !reader.IsDBNull(2);
        var attempts = queued ? reader.GetInt32(2) : 0;
        var dead = !reader.IsDBNull(5);
        var state = dead ? DocumentState.DeadLettered
            : !queued && reader.GetBoolean(6) ? DocumentState.Indexed
            : attempts > 0 ? DocumentState.Retrying
            : DocumentState.Queued;
        return new(
            id,
            reader.GetInt64(0),
            state,
            reader.GetInt32(1),
            dead ? TaskAttempt.Parse(reader.GetString(5)) : queued ? TaskAttempt.Parse(reader.GetString(3)) : [],
            state == DocumentState.Retrying ? reader.GetFieldValue<DateTimeOffset>(4) : null);
    }

    /// <summary>Where a workspace stands. Counts rows: meant for people and progress bars, not for hot paths.</summary>
    public async Task<WorkspaceStatusRow> GetWorkspaceAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(WorkspaceSql);
        command.Parameters.Add(new() { Value = workspaceId });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new(
            reader.GetInt64(0),
            reader.GetInt64(1),
            reader.GetInt64(2),
            reader.GetInt64(3),
            reader.GetInt64(4),
            reader.IsDBNull(5) ? null : reader.GetFieldValue<DateTimeOffset>(5),
            reader.IsDBNull(6) ? 0 : reader.GetInt64(6),
            reader.GetBoolean(7));
    }

    /// <summary>Where documents stand, by id, whether they exist or not (one that does not, and of which nothing is left to do, is <see cref="DocumentState.Indexed"/>).</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="ids">At most 1,000 ids.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyDictionary<string, DocumentState>> GetStatesAsync(
        int workspaceId, IReadOnlyCollection<string> ids, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(StatesSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = ids.ToArray() });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var states = new Dictionary<string, DocumentState>();
        while (await reader.ReadAsync(cancellationToken))
        {
            states[reader.GetString(0)] = (DocumentState)reader.GetInt32(1);
        }

        return states;
    }
}
