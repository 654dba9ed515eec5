using Npgsql;

namespace RagPlatform.Storage;

/// <summary>A stored chunk with its vector in one space.</summary>
/// <param name="DocumentKey">The document's key in the database.</param>
/// <param name="DocumentId">The caller's id of the document.</param>
/// <param name="Ordinal">Its place in the document, from 0.</param>
/// <param name="Start">Characters before it in the document's text.</param>
/// <param name="Overlap">Characters at its beginning that repeat the passage before it.</param>
/// <param name="Heading">The headings above it.</param>
/// <param name="Text">Its text.</param>
/// <param name="Hash">The first 16 bytes of SHA-256 of its text in UTF-8.</param>
/// <param name="Vector">Its vector, or null when it has none in the space.</param>
public sealed record ChunkRow(
    long DocumentKey, string DocumentId, int Ordinal, int Start, int Overlap, string Heading, string Text, byte[] Hash, float[]? Vector);

/// <summary>Reads chunks as they are stored.</summary>
public sealed class ChunkStore(NpgsqlDataSource dataSource)
{
    // {0} is the table of a registered space.
    private const string ListSql = """
        SELECT d.document_key, d.document_id, c.ordinal, c.start_offset, c.overlap, c.heading, c.text, c.content_hash, v.embedding
        FROM (SELECT workspace_id, document_key, document_id FROM documents
              WHERE workspace_id = $1 AND document_key > $2 ORDER BY document_key LIMIT $3) d
        JOIN chunks c ON c.workspace_id = d.workspace_id AND c.document_key = d.document_key
        LEFT JOIN {0} v ON v.workspace_id = c.workspace_id AND v.chunk_id = c.chunk_id
        ORDER BY d.document_key, c.ordinal, c.chunk_id
        """;

    private const string LastKeySql = """
        SELECT max(document_key) FROM (
            SELECT document_key FROM documents WHERE workspace_id = $1 AND document_key > $2 ORDER BY document_key LIMIT $3) d
        """;

    /// <summary>The chunks of a workspace's next documents, by document and place.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="space">The space whose vectors are wanted.</param>
    /// <param name="afterKey">Where the page before ended; 0 for the first page.</param>
    /// <param name="documents">Documents, at most.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>The chunks, and where the page ends; null when there are no documents left.</returns>
    public async Task<(IReadOnlyList<ChunkRow> Chunks, long? LastKey)> ListAsync(
        int workspaceId, SpaceRow space, long afterKey, int documents, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(LastKeySql) { Parameters = { new() { Value = workspaceId }, new() { Value = afterKey }, new() { Value = documents } } },
                new(string.Format(null, ListSql, space.VectorTable))
                {
                    Parameters = { new() { Value = workspaceId }, new() { Value = afterKey }, new() { Value = documents } },
                },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        long? lastKey = reader.IsDBNull(0) ? null : reader.GetInt64(0);
        await reader.NextResultAsync(cancellationToken);
        var chunks = new List<ChunkRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            chunks.Add(new(
                reader.GetInt64(0),
                reader.GetString(1),
                reader.GetInt32(2),
                reader.GetInt32(3),
                reader.GetInt32(4),
                reader.GetString(5),
                reader.GetString(6),
                reader.GetFieldValue<byte[]>(7),
                reader.IsDBNull(8) ? null : VectorValue.Read(reader, 8, space)));
        }

        return (chunks, lastKey);
    }
}
