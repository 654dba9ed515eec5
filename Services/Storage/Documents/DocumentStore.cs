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

/// <summary>Documents. Triggers raise the tasks and the generation in the transaction of the write.</summary>
public sealed class DocumentStore(NpgsqlDataSource dataSource)
{
    /// <summary>Stands for the revision of a document that must not exist.</summary>
    public const long Absent = 0;

    // Of the document alias d. The worst of its tasks decides.
    private const string StateSql = """
        CASE
            WHEN EXISTS (SELECT FROM dead_letters l WHERE l.workspace_id = d.workspace_id AND l.document_id = d.document_id) THEN 3
            ELSE coalesce((
                SELECT max(CASE WHEN t.attempts > 0 THEN 2 ELSE 1 END)
                FROM tasks t WHERE t.workspace_id = d.workspace_id AND t.document_id = d.document_id), 0)
        END
        """;

    // A row that no transaction has updated or locked has no xmax: it was inserted.
    // $7 is the revision that must be there, 0 when none must be; a write that comes between is seen by the second condition.
    // Ordered by id, so that two batches that share documents cannot wait for each other in a circle.
    private const string PutSql = """
        INSERT INTO documents AS d (workspace_id, document_id, title, text, metadata, priority, prepared, traceparent)
        SELECT $1, i.id, i.title, i.text, i.metadata::jsonb, i.priority, i.prepared, $9
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $8::bytea[])
            AS i (id, title, text, metadata, priority, prepared)
        WHERE coalesce($7, 0) = 0
            OR EXISTS (SELECT FROM documents e WHERE e.workspace_id = $1 AND e.document_id = i.id AND e.revision = $7)
        ORDER BY i.id
        ON CONFLICT (workspace_id, document_id) DO UPDATE
        SET title = excluded.title, text = excluded.text, metadata = excluded.metadata, priority = excluded.priority,
            prepared = excluded.prepared, traceparent = excluded.traceparent,
            revision = nextval('document_revision'), updated_at = now()
        WHERE (d.title, d.text, d.metadata, d.priority, d.prepared)
            IS DISTINCT FROM (excluded.title, excluded.text, excluded.metadata, excluded.priority, excluded.prepared)
            AND ($7 IS NULL OR d.revision = $7)
        RETURNING d.document_id, d.xmax = 0
        """;

    private const string StatesSql = $"""
        SELECT d.document_id, d.revision, {StateSql} FROM documents d WHERE d.workspace_id = $1 AND d.document_id = ANY ($2)
        """;

    private const string FindSql = """
        SELECT document_key, document_id, title, text, metadata::text, priority, revision, created_at, updated_at
        FROM documents WHERE workspace_id = $1 AND document_id = $2
        """;

    private const string DeleteSql = "DELETE FROM documents WHERE workspace_id = $1 AND document_id = $2";

    private const string ListSql = $"""
        SELECT d.document_id, d.title, d.metadata::text, d.revision, length(d.text), {StateSql}, d.updated_at
        FROM documents d WHERE d.workspace_id = $1 AND d.document_id > $2 ORDER BY d.document_id LIMIT $3
        """;

    /// <summary>Writes documents in one transaction: all or none. A document that is as it was stays untouched.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="documents">Documents with different ids.</param>
    /// <param name="cancellationToken">Cancels; nothing is written then.</param>
    /// <returns>What the write did, in the order of <paramref name="documents"/>.</returns>
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
    /// <param name="expected">The revision that it must have, <see cref="Absent"/> when there must be none of its id, or null for anything.</param>
    /// <param name="cancellationToken">Cancels; nothing is written then.</param>
    /// <returns>What the write did; null when the document is not as demanded, and nothing was written.</returns>
    public async Task<DocumentWriteRow?> PutAsync(
        int workspaceId, DocumentInput document, long? expected, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(document);
        var written = await PutAsync(workspaceId, [document], expected, cancellationToken);
        return written.TryGetValue(document.Id, out var row) && (row.Changed || expected is null || row.Revision == expected) ? row : null;
    }

    // The indexing, later and in another process, is linked to it.
    private static string? TraceParent => Activity.Current is { Recorded: true, IdFormat: ActivityIdFormat.W3C } activity ? activity.Id : null;

    private async Task<Dictionary<string, DocumentWriteRow>> PutAsync(
        int workspaceId, IReadOnlyList<DocumentInput> documents, long? expected, CancellationToken cancellationToken)
    {
        var ids = documents.Select(d => d.Id).ToArray();
        var digests = documents.Select(d => PreparedChunks.DigestOf(d.Chunks)).ToArray();
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);

        // A batch without an explicit transaction is one implicit transaction.
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(PutSql)
                {
                    Parameters =
                    {
                        new() { Value = workspaceId },
                        new() { Value = ids },
                        new() { Value = documents.Select(d => d.Title).ToArray() },
                        new() { Value = documents.Select(d => d.Text).ToArray() },
                        new() { Value = documents.Select(d => d.Metadata).ToArray() },
                        new() { Value = documents.Select(d => d.Priority).ToArray() },
                        new() { Value = expected ?? (object)DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint },
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
        var changed = new Dictionary<string, bool>();
        while (await reader.ReadAsync(cancellationToken))
        {
            changed.Add(reader.GetString(0), reader.GetBoolean(1));
        }

        await reader.NextResultAsync(cancellationToken);
        var written = new Dictionary<string, DocumentWriteRow>(documents.Count);
        while (await reader.ReadAsync(cancellationToken))
        {
            var id = reader.GetString(0);
            written.Add(id, new(
                id, reader.GetInt64(1), changed.TryGetValue(id, out var created), created, (DocumentState)reader.GetInt32(2)));
        }

        // A statement that fails says so when its result is read.
        while (await reader.NextResultAsync(cancellationToken))
        {
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
    public async Task<bool> DeleteAsync(int workspaceId, string id, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(DeleteSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = id });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
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
