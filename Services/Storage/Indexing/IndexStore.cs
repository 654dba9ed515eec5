using Npgsql;

namespace RagPlatform.Storage;

/// <summary>What a task is about, as it is now.</summary>
/// <param name="Task">The task.</param>
/// <param name="Workspace">The workspace's name.</param>
/// <param name="Chunking">How its documents are cut.</param>
/// <param name="Space">The space.</param>
/// <param name="Routed">Whether the workspace's route holds the space.</param>
/// <param name="DocumentKey">The document, or null when it is gone.</param>
/// <param name="Text">Its text, or null when it is gone.</param>
/// <param name="Given">What the index has of given vectors: <see cref="IndexDocument.Given"/> of the last write; empty if there are none.</param>
/// <param name="Prepared">Its prepared chunks, or null when the text is to be cut.</param>
public sealed record IndexSource(
    IndexTask Task,
    string Workspace,
    ChunkingRow Chunking,
    SpaceRow Space,
    bool Routed,
    long? DocumentKey,
    string? Text,
    byte[] Given,
    IReadOnlyList<PreparedChunkRow>? Prepared)
{
    /// <summary>The document's title; empty when it has none.</summary>
    public string Title { get; init; } = "";

    /// <summary>The trace of the request that put it, as W3C writes it; null without one.</summary>
    public string? TraceParent { get; init; }
}

/// <summary>A chunk as the index shall have it.</summary>
/// <param name="Hash">The first 16 bytes of SHA-256 of the text in UTF-8.</param>
/// <param name="Occurrence">0 for the first chunk of that hash in the document, 1 for the second, ….</param>
/// <param name="Start">Characters before it in the document's text.</param>
/// <param name="Overlap">Characters at its beginning that repeat the passage before it.</param>
/// <param name="Heading">The headings above it.</param>
/// <param name="Text">Its text.</param>
/// <param name="Vector">Its vector, which replaces one that is there; empty when the space has one of that hash in the document already.</param>
public sealed record IndexChunk(
    byte[] Hash, int Occurrence, int Start, int Overlap, string Heading, string Text, ReadOnlyMemory<float> Vector);

/// <summary>A document as the index shall have it.</summary>
/// <param name="Task">The task that asks for it.</param>
/// <param name="DocumentKey">The document.</param>
/// <param name="TextHash"><see cref="DocumentHash"/> of what was indexed, 32 bytes.</param>
/// <param name="Chunks">Its chunks, in order.</param>
/// <param name="Given">Of the chunks whose vector was given: hash of the text and hash of the vector, 16 bytes each, one after the other.</param>
public sealed record IndexDocument(IndexTask Task, long DocumentKey, byte[] TextHash, IReadOnlyList<IndexChunk> Chunks, byte[] Given);

/// <summary>What became of a document that was to be written.</summary>
public enum IndexOutcome
{
    /// <summary>It is searchable, and its task is gone.</summary>
    Written,

    /// <summary>It has changed since, the task is somebody else's now, or the workspace is paused or deleted: nothing was written.</summary>
    Stale,

    /// <summary>A vector that was there when the work began is not there any more: nothing was written.</summary>
    VectorMissing,
}

/// <summary>Reads what a task needs, and writes chunks and vectors.</summary>
public sealed class IndexStore(NpgsqlDataSource dataSource)
{
    private const string LoadSql = $"""
        SELECT t.i, w.name, w.chunk_strategy, w.chunk_target, w.chunk_overlap,
               EXISTS (SELECT FROM route_spaces r WHERE r.workspace_id = t.workspace_id AND r.space_id = t.space_id),
               d.document_key, d.text, d.prepared IS NOT NULL, x.given, coalesce(d.title, ''), d.traceparent, {SpaceRow.Columns}
        FROM unnest($1::int[], $2::text[], $3::int[]) WITH ORDINALITY AS t (workspace_id, document_id, space_id, i)
        JOIN workspaces w ON w.workspace_id = t.workspace_id
        JOIN spaces s ON s.space_id = t.space_id
        LEFT JOIN documents d ON d.workspace_id = t.workspace_id AND d.document_id = t.document_id
        LEFT JOIN indexed_documents x ON x.workspace_id = d.workspace_id AND x.document_key = d.document_key AND x.space_id = t.space_id
        ORDER BY t.i
        """;

    // {0} is the table of a registered space.
    private const string KnownSql = """
        SELECT d.document_key, v.content_hash
        FROM unnest($1::int[], $2::bigint[]) AS d (workspace_id, document_key)
        JOIN {0} v ON v.workspace_id = d.workspace_id AND v.document_key = d.document_key
        """;

    /// <summary>What tasks are about. A task whose workspace is gone has no entry.</summary>
    public async Task<IReadOnlyList<IndexSource>> LoadAsync(IReadOnlyList<IndexTask> tasks, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tasks);
        Failpoint.Hit("load.before");
        await using var command = dataSource.CreateCommand(LoadSql);
        command.Parameters.Add(new() { Value = tasks.Select(t => t.WorkspaceId).ToArray() });
        command.Parameters.Add(new() { Value = tasks.Select(t => t.DocumentId).ToArray() });
        command.Parameters.Add(new() { Value = tasks.Select(t => t.SpaceId).ToArray() });
        var sources = new List<IndexSource>(tasks.Count);
        var prepared = new List<int>();
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                if (!reader.IsDBNull(6) && reader.GetBoolean(8))
                {
                    prepared.Add(sources.Count);
                }

                sources.Add(new(
                    tasks[(int)reader.GetInt64(0) - 1],
                    reader.GetString(1),
                    new ChunkingRow(reader.GetString(2), reader.GetInt32(3), reader.GetInt32(4)),
                    SpaceRow.Read(reader, 12),
                    reader.GetBoolean(5),
                    reader.IsDBNull(6) ? null : reader.GetInt64(6),
                    reader.IsDBNull(7) ? null : reader.GetString(7),
                    reader.IsDBNull(9) ? [] : reader.GetFieldValue<byte[]>(9),
                    null)
                {
                    Title = reader.GetString(10),
                    TraceParent = reader.IsDBNull(11) ? null : reader.GetString(11),
                });
            }
        }

        // A document that is changed between the two reads has lost its task to the change: what is read of it is not written.
        if (prepared.Count > 0)
        {
            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
            var chunks = await PreparedChunks.ListAsync(
                connection, [.. prepared.Select(i => (sources[i].Task.WorkspaceId, sources[i].DocumentKey!.Value)).Distinct()], cancellationToken);
            foreach (var i in prepared)
            {
                sources[i] = sources[i] with { Prepared = [.. chunks[sources[i].DocumentKey!.Value]] };
            }
        }

        Failpoint.Hit("load.done");
        return sources;
    }

    /// <summary>The content hashes that documents have vectors for in a space.</summary>
    /// <param name="space">The space.</param>
    /// <param name="documents">Workspace and key of each document.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>Pairs of document key and hash.</returns>
    public async Task<IReadOnlyList<(long DocumentKey, byte[] Hash)>> ListKnownAsync(
        SpaceRow space, IReadOnlyCollection<(int WorkspaceId, long DocumentKey)> documents, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var command = dataSource.CreateCommand(string.Format(null, KnownSql, space.VectorTable));
        command.Parameters.Add(new() { Value = documents.Select(d => d.WorkspaceId).ToArray() });
        command.Parameters.Add(new() { Value = documents.Select(d => d.DocumentKey).ToArray() });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var known = new List<(long, byte[])>();
        while (await reader.ReadAsync(cancellationToken))
        {
            known.Add((reader.GetInt64(0), reader.GetFieldValue<byte[]>(1)));
        }

        Failpoint.Hit("known.done");
        return known;
    }

    /// <summary>
    /// Writes documents of one space in one transaction: new chunks and vectors, moved chunks, nothing stale, the generation, and the tasks'
    /// removal. A document that has changed meanwhile is left out.
    /// </summary>
    /// <param name="owner">The worker that holds the tasks.</param>
    /// <param name="space">The space.</param>
    /// <param name="documents">Different documents.</param>
    /// <param name="cancellationToken">Cancels; nothing is written then.</param>
    /// <returns>What became of each, in the order of <paramref name="documents"/>.</returns>
    public async Task<IReadOnlyList<IndexOutcome>> WriteAsync(
        Guid owner, SpaceRow space, IReadOnlyList<IndexDocument> documents, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(documents);
        while (true)
        {
            // Where a workspace was paused in between, the others are written: the next look leaves its documents out.
            if (await TransactionRetry.RunAsync(token => TryWriteAsync(owner, space, documents, token), cancellationToken) is { } outcomes)
            {
                return outcomes;
            }
        }
    }

    private async Task<IReadOnlyList<IndexOutcome>?> TryWriteAsync(
        Guid owner, SpaceRow space, IReadOnlyList<IndexDocument> documents, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        Failpoint.Hit("write.begin");
        var writer = new IndexWriter(connection, owner, space, documents);
        if (await writer.WriteAsync(cancellationToken) is not { } outcomes)
        {
            return null;
        }

        await transaction.CommitAsync(cancellationToken);
        Failpoint.Hit("write.committed");
        return outcomes;
    }
}
