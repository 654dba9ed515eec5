using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>Where a document's newest revision stands, in the order of <c>IndexingState</c> of the API.</summary>
public enum DocumentState
{
    /// <summary>Searchable in every space of the route.</summary>
    Indexed,

    /// <summary>Waits for a worker or is in work.</summary>
    Queued,

    /// <summary>Failed, and is tried again.</summary>
    Retrying,

    /// <summary>Failed for good.</summary>
    DeadLettered,
}

/// <summary>A document to be written.</summary>
/// <param name="Id">The caller's id.</param>
/// <param name="Title">The title, without NUL characters.</param>
/// <param name="Text">The text, without NUL characters.</param>
/// <param name="Metadata">A JSON object, as text.</param>
/// <param name="Priority">0 low, 1 normal, 2 high.</param>
/// <param name="Chunks">Its chunks, in order, or null when the worker is to cut the text.</param>
public sealed record DocumentInput(
    string Id, string Title, string Text, string Metadata, short Priority, IReadOnlyList<PreparedChunkRow>? Chunks = null);

/// <summary>What a write did to one document.</summary>
public sealed record DocumentWriteRow(string Id, long Revision, bool Changed, bool Created, DocumentState State);

/// <summary>A stored document; <paramref name="Metadata"/> is a JSON object, as text.</summary>
public sealed record DocumentRow(
    long DocumentKey,
    string Id,
    string Title,
    string Text,
    string Metadata,
    short Priority,
    long Revision,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt);

/// <summary>A document of a list.</summary>
public sealed record DocumentSummaryRow(
    string Id, string Title, string Metadata, long Revision, int TextLength, DocumentState State, DateTimeOffset UpdatedAt);

/// <summary>What a write demands of the document that is stored.</summary>
public sealed record DocumentCondition
{
    private DocumentCondition(params long[] revisions) => Revisions = revisions;

    /// <summary>There must be none of its id.</summary>
    public static DocumentCondition Absent { get; } = new(0);

    /// <summary>There must be one, of whatever revision.</summary>
    public static DocumentCondition Present { get; } = new();

    /// <summary>Revisions that it may have; none stands for all. No document has the revision 0.</summary>
    internal long[] Revisions { get; }

    /// <summary>There must be one of these revisions.</summary>
    /// <exception cref="ArgumentException">There is none among them: nothing could ever be written.</exception>
    public static DocumentCondition OneOf(IReadOnlyCollection<long> revisions)
    {
        ArgumentNullException.ThrowIfNull(revisions);
        return revisions.Count == 0 ? throw new ArgumentException("A revision is needed.", nameof(revisions)) : new([.. revisions]);
    }
}

/// <summary>What became of a deletion.</summary>
public enum DocumentDeletion
{
    /// <summary>The document is gone.</summary>
    Done,

    /// <summary>There is none of that id.</summary>
    Missing,

    /// <summary>It is there, and not as demanded.</summary>
    Refused,
}

/// <summary>The workspace that was to be written to has been deleted since it was looked up. Nothing was written.</summary>
public sealed class WorkspaceGoneException() : Exception("The workspace has been deleted.");

/// <summary>Documents. Triggers raise the tasks and the generation in the transaction of the write.</summary>
public sealed class DocumentStore(NpgsqlDataSource dataSource)
{
    // Of the document alias d. The worst of its tasks decides. Tasks and dead letters are looked up by their whole key: of the workspace alone there can be
    // many. Without a task it is searchable if it was indexed in the space that serves its workspace.
    private const string StateSql = """
        CASE
            WHEN EXISTS (SELECT FROM dead_letters l WHERE l.workspace_id = d.workspace_id AND l.document_id = d.document_id) THEN 3
            ELSE coalesce((
                SELECT max(CASE WHEN t.attempts > 0 THEN 2 ELSE 1 END)
                FROM route_spaces r JOIN tasks t ON t.workspace_id = d.workspace_id AND t.document_id = d.document_id AND t.space_id = r.space_id
                WHERE r.workspace_id = d.workspace_id), CASE WHEN EXISTS (
                    SELECT FROM routes r JOIN indexed_documents x
                        ON x.workspace_id = d.workspace_id AND x.document_key = d.document_key AND x.space_id = r.serving_space
                    WHERE r.workspace_id = d.workspace_id) THEN 0 ELSE 1 END)
        END
        """;

    // The row stays shared until the commit: a deletion of the workspace comes either before or after the whole transaction.
    private const string JoinWorkspaceSql = "SELECT 1 FROM workspaces WHERE workspace_id = $1 AND deleted_at IS NULL FOR SHARE";

    private const string LiveSql = "EXISTS (SELECT FROM workspaces w WHERE w.workspace_id = $1 AND w.deleted_at IS NULL)";

    // A row that no transaction has updated or locked has no xmax: it was inserted.
    // $7 is NULL, or not when there must be none.
    private const string PutSql = $"""
        INSERT INTO documents AS d (workspace_id, document_id, title, text, text_length, metadata, priority, prepared, traceparent)
        SELECT $1, i.id, i.title, i.text, length(i.text), i.metadata::jsonb, i.priority, i.prepared, $9
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $8::bytea[])
            AS i (id, title, text, metadata, priority, prepared)
        WHERE {LiveSql}
        ORDER BY i.id COLLATE "C"
        ON CONFLICT (workspace_id, document_id) DO UPDATE
        SET title = excluded.title, text = excluded.text, text_length = excluded.text_length, metadata = excluded.metadata,
            priority = excluded.priority, prepared = excluded.prepared, traceparent = excluded.traceparent,
            revision = nextval('document_revision'), updated_at = now()
        WHERE (d.title, d.text, d.metadata, d.priority, d.prepared)
            IS DISTINCT FROM (excluded.title, excluded.text, excluded.metadata, excluded.priority, excluded.prepared)
            AND $7 IS NULL
        RETURNING d.document_id, d.xmax = 0, true
        """;

    // $7 are the revisions of which one must be there, or none for any: locked before it is compared, so that it is still there when it is replaced. Never an INSERT, which would bring
    // back what was deleted.
    private const string ReplaceSql = $"""
        WITH held AS MATERIALIZED (
            SELECT d.document_key FROM documents d JOIN unnest($2::text[]) AS i (id) ON d.document_id = i.id
            WHERE d.workspace_id = $1 AND (cardinality($7::bigint[]) = 0 OR d.revision = ANY ($7)) AND {LiveSql}
            FOR NO KEY UPDATE OF d
        ), written AS (
            UPDATE documents d
            SET title = i.title, text = i.text, text_length = length(i.text), metadata = i.metadata::jsonb, priority = i.priority,
                prepared = i.prepared, traceparent = $9, revision = nextval('document_revision'), updated_at = now()
            FROM held h, unnest($3::text[], $4::text[], $5::text[], $6::smallint[], $8::bytea[]) AS i (title, text, metadata, priority, prepared)
            WHERE d.workspace_id = $1 AND d.document_key = h.document_key
              AND (d.title, d.text, d.metadata, d.priority, d.prepared) IS DISTINCT FROM (i.title, i.text, i.metadata::jsonb, i.priority, i.prepared)
            RETURNING 1
        )
        SELECT ($2::text[])[1], false, EXISTS (SELECT FROM written) FROM held
        """;

    private const string StatesSql = $"""
        SELECT d.document_id, d.revision, {StateSql} FROM documents d WHERE d.workspace_id = $1 AND d.document_id = ANY ($2)
        """;

    private const string FindSql = """
        SELECT document_key, document_id, title, text, metadata::text, priority, revision, created_at, updated_at
        FROM documents WHERE workspace_id = $1 AND document_id = $2
        """;

    // Under a concurrent write the condition is looked at again on what that has left. Whether the document was there is as of the statement's beginning.
    // No change of the documents: their trigger knows.
    private const string MeasureSql = """
        UPDATE documents d SET text_length = length(d.text)
        FROM (
            SELECT workspace_id, document_key FROM documents WHERE text_length IS NULL
            ORDER BY workspace_id, document_key LIMIT $1
            FOR NO KEY UPDATE SKIP LOCKED) o
        WHERE d.workspace_id = o.workspace_id AND d.document_key = o.document_key
        """;

    private const string DeleteSql = """
        WITH gone AS (
            DELETE FROM documents
            WHERE workspace_id = $1 AND document_id = $2 AND ($3::bigint[] IS NULL OR cardinality($3) = 0 OR revision = ANY ($3))
            RETURNING 1
        )
        SELECT EXISTS (SELECT FROM gone), EXISTS (SELECT FROM documents WHERE workspace_id = $1 AND document_id = $2)
        """;

    private const string ListSql = $"""
        SELECT d.document_id, d.title, d.metadata::text, d.revision, coalesce(d.text_length, length(d.text)), {StateSql}, d.updated_at
        FROM documents d WHERE d.workspace_id = $1 AND d.document_id > $2 ORDER BY d.document_id LIMIT $3
        """;

    /// <summary>Writes documents in one transaction: all or none. A document that is as it was stays untouched.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="documents">Documents with different ids.</param>
    /// <param name="cancellationToken">Cancels; nothing is written then.</param>
    /// <returns>What the write did, in the order of <paramref name="documents"/>.</returns>
    /// <exception cref="WorkspaceGoneException">The workspace was deleted: nothing was written.</exception>
    public async Task<IReadOnlyList<DocumentWriteRow>> PutAsync(
        int workspaceId, IReadOnlyList<DocumentInput> documents, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(documents);
        var written = await PutAsync(workspaceId, documents, null, cancellationToken);
        return [.. documents.Select(d => written[d.Id])];
    }

    /// <summary>Writes a document if it is as demanded.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="document">The document.</param>
    /// <param name="condition">What the stored document must be; null for anything.</param>
    /// <param name="cancellationToken">Cancels; nothing is written then.</param>
    /// <returns>What the write did; null when the document is not as demanded, and nothing was written.</returns>
    /// <exception cref="WorkspaceGoneException">The workspace was deleted: nothing was written.</exception>
    public async Task<DocumentWriteRow?> PutAsync(
        int workspaceId, DocumentInput document, DocumentCondition? condition, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(document);
        var written = await PutAsync(workspaceId, [document], condition, cancellationToken);
        return written.GetValueOrDefault(document.Id);
    }

    // The indexing, later and in another process, is linked to it.
    private static string? TraceParent => Activity.Current is { Recorded: true, IdFormat: ActivityIdFormat.W3C } activity ? activity.Id : null;

    private Task<Dictionary<string, DocumentWriteRow>> PutAsync(
        int workspaceId, IReadOnlyList<DocumentInput> documents, DocumentCondition? condition, CancellationToken cancellationToken) =>
        TransactionRetry.RunAsync(token => WriteAsync(workspaceId, documents, condition, token), cancellationToken);

    // Only those that were as demanded.
    private async Task<Dictionary<string, DocumentWriteRow>> WriteAsync(
        int workspaceId, IReadOnlyList<DocumentInput> documents, DocumentCondition? condition, CancellationToken cancellationToken)
    {
        var ids = documents.Select(d => d.Id).ToArray();
        var digests = documents.Select(d => PreparedChunks.DigestOf(d.Chunks)).ToArray();
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);

        // A batch without an explicit transaction is one implicit transaction.
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(JoinWorkspaceSql) { Parameters = { new() { Value = workspaceId } } },
                new(condition is null || condition == DocumentCondition.Absent ? PutSql : ReplaceSql)
                {
                    Parameters =
                    {
                        new() { Value = workspaceId },
                        new() { Value = ids },
                        new() { Value = documents.Select(d => d.Title).ToArray() },
                        new() { Value = documents.Select(d => d.Text).ToArray() },
                        new() { Value = documents.Select(d => d.Metadata).ToArray() },
                        new() { Value = documents.Select(d => d.Priority).ToArray() },
                        new() { Value = condition?.Revisions ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint },
                        new() { Value = digests, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
                        new() { Value = TraceParent ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
                    },
                },
                new(StatesSql) { Parameters = { new() { Value = workspaceId }, new() { Value = ids } } },
            },
        };
        if (documents.Any(d => d.Chunks is { Count: > 0 }))
        {
            batch.BatchCommands.Add(PreparedChunks.CreateInsert(workspaceId, documents, digests));
        }

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var live = await reader.ReadAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        var matched = new Dictionary<string, (bool Created, bool Changed)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            matched.Add(reader.GetString(0), (reader.GetBoolean(1), reader.GetBoolean(2)));
        }

        await reader.NextResultAsync(cancellationToken);
        var written = new Dictionary<string, DocumentWriteRow>(documents.Count);
        while (await reader.ReadAsync(cancellationToken))
        {
            var id = reader.GetString(0);
            if (matched.TryGetValue(id, out var write) || condition is null)
            {
                written.Add(id, new(id, reader.GetInt64(1), write.Changed, write.Created, (DocumentState)reader.GetInt32(2)));
            }
        }

        // A statement that fails says so when its result is read.
        while (await reader.NextResultAsync(cancellationToken))
        {
        }

        if (!live)
        {
            throw new WorkspaceGoneException();
        }

        return written;
    }

    /// <summary>A document, or null.</summary>
    public async Task<DocumentRow?> FindAsync(int workspaceId, string id, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(FindSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = id });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new DocumentRow(
                reader.GetInt64(0),
                reader.GetString(1),
                reader.GetString(2),
                reader.GetString(3),
                reader.GetString(4),
                reader.GetInt16(5),
                reader.GetInt64(6),
                reader.GetFieldValue<DateTimeOffset>(7),
                reader.GetFieldValue<DateTimeOffset>(8))
            : null;
    }

    /// <summary>Deletes a document with its chunks and vectors; false when there is none of that id.</summary>
    public async Task<bool> DeleteAsync(int workspaceId, string id, CancellationToken cancellationToken) =>
        await DeleteAsync(workspaceId, id, null, cancellationToken) == DocumentDeletion.Done;

    /// <summary>Deletes a document with its chunks and vectors if it is as demanded.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="id">The document.</param>
    /// <param name="condition">What the stored document must be; null for anything.</param>
    /// <param name="cancellationToken">Cancels; nothing is deleted then.</param>
    public async Task<DocumentDeletion> DeleteAsync(int workspaceId, string id, DocumentCondition? condition, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(DeleteSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new()
        {
            Value = condition?.Revisions ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint,
        });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return reader.GetBoolean(0) ? DocumentDeletion.Done : reader.GetBoolean(1) ? DocumentDeletion.Refused : DocumentDeletion.Missing;
    }

    /// <summary>Notes the lengths of texts that an earlier version wrote, so that lists need not read them.</summary>
    /// <param name="documents">Documents, at most.</param>
    /// <param name="cancellationToken">Cancels the step.</param>
    /// <returns>Documents that were measured; 0 when there are none left.</returns>
    public async Task<int> MeasureAsync(int documents, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(MeasureSql);
        command.Parameters.Add(new() { Value = documents });
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Documents by id.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="after">The last id of the page before; empty for the first page.</param>
    /// <param name="limit">Rows, at most.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyList<DocumentSummaryRow>> ListAsync(
        int workspaceId, string after, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var documents = new List<DocumentSummaryRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            documents.Add(new(
                reader.GetString(0),
                reader.GetString(1),
                reader.GetString(2),
                reader.GetInt64(3),
                reader.GetInt32(4),
                (DocumentState)reader.GetInt32(5),
                reader.GetFieldValue<DateTimeOffset>(6)));
        }

        return documents;
    }
}
