using System.Data;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>A document with its chunks.</summary>
/// <param name="Id">The caller's id.</param>
/// <param name="Title">The title.</param>
/// <param name="Text">The text.</param>
/// <param name="Metadata">A JSON object, as text.</param>
/// <param name="Priority">0 low, 1 normal, 2 high.</param>
/// <param name="Chunks">
/// The chunks with their vectors, once its newest text is indexed; else those that were prepared, or null. Each stands in the text at its start.
/// </param>
public sealed record ExportRow(
    string Id, string Title, string Text, string Metadata, short Priority, IReadOnlyList<PreparedChunkRow>? Chunks);

/// <summary>Reads documents with chunks and vectors, page by page.</summary>
public sealed class ExportStore(NpgsqlDataSource dataSource)
{
    /// <summary>About so many characters and vector numbers are in a page, unless its first document alone has more.</summary>
    public const int PageBudget = 4_000_000;

    // Of a document with a task or dead letter, the chunks may be of another text.
    private const string DocumentsSql = """
        SELECT document_key, document_id, title, text, metadata, priority, settled, prepared
        FROM (
            SELECT p.*, sum(p.size) OVER (ORDER BY p.document_id) - p.size AS before
            FROM (
                SELECT d.document_key, d.document_id, d.title, d.text, d.metadata::text AS metadata, d.priority, d.prepared IS NOT NULL AS prepared,
                       length(d.text) + coalesce(x.chunks, 0)::bigint * $4 AS size,
                       x.chunks > 0
                           AND NOT EXISTS (SELECT FROM tasks t
                               WHERE t.workspace_id = $1 AND t.document_id = d.document_id AND t.space_id = $3)
                           AND NOT EXISTS (SELECT FROM dead_letters l
                               WHERE l.workspace_id = $1 AND l.document_id = d.document_id AND l.space_id = $3) AS settled
                FROM documents d
                LEFT JOIN indexed_documents x ON x.workspace_id = d.workspace_id AND x.document_key = d.document_key AND x.space_id = $3
                WHERE d.workspace_id = $1 AND d.document_id > $2 ORDER BY d.document_id LIMIT $5
            ) p
        ) b
        WHERE before < $6 ORDER BY document_id
        """;

    // {0} is the table of a registered space.
    private const string ChunksSql = """
        SELECT c.document_key, c.text, c.start_offset, c.overlap, c.heading, v.embedding
        FROM unnest($2::bigint[]) AS i (document_key)
        JOIN chunks c ON c.workspace_id = $1 AND c.document_key = i.document_key
        LEFT JOIN {0} v ON v.workspace_id = c.workspace_id AND v.chunk_id = c.chunk_id
        ORDER BY c.document_key, c.ordinal
        """;

    /// <summary>Documents by id, as they are at one moment.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="space">The space whose vectors are wanted.</param>
    /// <param name="after">The last id of the page before; empty for the first page.</param>
    /// <param name="limit">Documents, at most; fewer when they are large.</param>
    /// <param name="cancellationToken">Cancels the queries.</param>
    /// <returns>None behind the last document.</returns>
    public async Task<IReadOnlyList<ExportRow>> ListAsync(
        int workspaceId, SpaceRow space, string after, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
        var documents = new List<(long Key, bool Settled, bool Prepared, ExportRow Row)>();
        await using (var list = new NpgsqlCommand(DocumentsSql, connection)
        {
            Parameters =
            {
                new() { Value = workspaceId }, new() { Value = after }, new() { Value = space.SpaceId }, new() { Value = space.Dimensions },
                new() { Value = limit }, new() { Value = PageBudget },
            },
        })
        await using (var reader = await list.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                documents.Add((reader.GetInt64(0), !reader.IsDBNull(6) && reader.GetBoolean(6), reader.GetBoolean(7), new(
                    reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetString(4), reader.GetInt16(5), null)));
            }
        }

        var chunks = await ListChunksAsync(connection, workspaceId, space, [.. documents.Where(d => d.Settled).Select(d => d.Key)], cancellationToken);
        var prepared = await PreparedChunks.ListAsync(
            connection, [.. documents.Where(d => d.Prepared && !d.Settled).Select(d => (workspaceId, d.Key))], cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return [.. documents.Select(d => d.Settled ? d.Row with { Chunks = [.. chunks[d.Key]] }
            : d.Prepared ? d.Row with { Chunks = [.. prepared[d.Key]] }
            : d.Row)];
    }

    private static async Task<ILookup<long, PreparedChunkRow>> ListChunksAsync(
        NpgsqlConnection connection, int workspaceId, SpaceRow space, long[] documents, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(string.Format(null, ChunksSql, space.VectorTable), connection)
        {
            Parameters = { new() { Value = workspaceId }, new() { Value = documents } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<(long Key, PreparedChunkRow Chunk)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var vector = reader.IsDBNull(5) ? null : VectorValue.Read(reader, 5, space);
            rows.Add((reader.GetInt64(0), new(
                reader.GetString(1), reader.GetInt32(2), reader.GetInt32(3), reader.GetString(4), vector is null ? null : space.SpaceId, vector)));
        }

        return rows.ToLookup(r => r.Key, r => r.Chunk);
    }
}
