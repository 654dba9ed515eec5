using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>A chunk as the caller has prepared it.</summary>
/// <param name="Text">Its text, not empty.</param>
/// <param name="Start">Characters (UTF-16) before it in the document's text.</param>
/// <param name="Overlap">Characters at its beginning that repeat the chunk before it.</param>
/// <param name="Heading">The headings above it; may be empty.</param>
/// <param name="SpaceId">The space of the vector; null without one.</param>
/// <param name="Vector">Its vector, of the space's dimensions, finite and not zero; null when it is to be computed.</param>
public sealed record PreparedChunkRow(string Text, int Start, int Overlap, string Heading, int? SpaceId, float[]? Vector);

/// <summary>What decides how a document is indexed.</summary>
public static class DocumentHash
{
    /// <summary><c>document_hash</c> of the schema: SHA-256 of the text, and of the prepared chunks if there are any.</summary>
    /// <param name="text">The document's text.</param>
    /// <param name="chunks">Its prepared chunks, in order, or null when the text is to be cut.</param>
    /// <returns>32 bytes.</returns>
    public static byte[] Of(string text, IReadOnlyList<PreparedChunkRow>? chunks)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(text));
        return PreparedChunks.DigestOf(chunks) is { } digest ? SHA256.HashData([.. hash, .. digest]) : hash;
    }
}

/// <summary>The chunks of documents that are put as such. Every SQL statement about them is in this file, but for their removal by trigger.</summary>
internal static class PreparedChunks
{
    // Follows the write of the documents in its transaction. A document that was not written as demanded has another digest; one that was
    // as it was put has its rows already.
    private const string InsertSql = """
        INSERT INTO prepared_chunks (workspace_id, document_key, ordinal, digest, start_offset, overlap, heading, text, space_id, vector)
        SELECT $1, d.document_key, i.ordinal, d.prepared, i.start_offset, i.overlap, i.heading, i.text, i.space_id, i.vector
        FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS p (document_id, digest, place)
        JOIN documents d ON d.workspace_id = $1 AND d.document_id = p.document_id AND d.prepared = p.digest
        JOIN unnest($4::bigint[], $5::int[], $6::int[], $7::int[], $8::text[], $9::text[], $10::int[], $11::bytea[])
            AS i (place, ordinal, start_offset, overlap, heading, text, space_id, vector) ON i.place = p.place
        ORDER BY p.document_id, i.ordinal
        ON CONFLICT DO NOTHING
        """;

    private const string ListSql = """
        SELECT p.document_key, p.text, p.start_offset, p.overlap, p.heading, p.space_id, p.vector
        FROM unnest($1::int[], $2::bigint[]) AS i (workspace_id, document_key)
        JOIN documents d ON d.workspace_id = i.workspace_id AND d.document_key = i.document_key
        JOIN prepared_chunks p ON p.workspace_id = d.workspace_id AND p.document_key = d.document_key AND p.digest = d.prepared
        ORDER BY p.document_key, p.ordinal
        """;

    /// <summary>SHA-256 of everything that prepared chunks say; null for null.</summary>
    public static byte[]? DigestOf(IReadOnlyList<PreparedChunkRow>? chunks)
    {
        if (chunks is null)
        {
            return null;
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> numbers = stackalloc byte[20];
        foreach (var chunk in chunks)
        {
            var heading = Encoding.UTF8.GetBytes(chunk.Heading);
            var text = Encoding.UTF8.GetBytes(chunk.Text);
            BinaryPrimitives.WriteInt32LittleEndian(numbers, chunk.Start);
            BinaryPrimitives.WriteInt32LittleEndian(numbers[4..], chunk.Overlap);
            BinaryPrimitives.WriteInt32LittleEndian(numbers[8..], heading.Length);
            BinaryPrimitives.WriteInt32LittleEndian(numbers[12..], text.Length);
            BinaryPrimitives.WriteInt32LittleEndian(numbers[16..], chunk.SpaceId ?? 0);
            hash.AppendData(numbers);
            hash.AppendData(heading);
            hash.AppendData(text);
            hash.AppendData(MemoryMarshal.AsBytes<float>(chunk.Vector));
        }

        return hash.GetHashAndReset();
    }

    /// <summary>The statement that writes the chunks of documents.</summary>
    public static NpgsqlBatchCommand CreateInsert(int workspaceId, IReadOnlyList<DocumentInput> documents, byte[]?[] digests)
    {
        var rows = documents.SelectMany((d, place) => (d.Chunks ?? []).Select((chunk, ordinal) => (Place: place + 1L, Ordinal: ordinal, Chunk: chunk)))
            .ToList();
        return new(InsertSql)
        {
            Parameters =
            {
                new() { Value = workspaceId },
                new() { Value = documents.Select(d => d.Id).ToArray() },
                new() { Value = digests, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
                new() { Value = rows.Select(r => r.Place).ToArray() },
                new() { Value = rows.Select(r => r.Ordinal).ToArray() },
                new() { Value = rows.Select(r => r.Chunk.Start).ToArray() },
                new() { Value = rows.Select(r => r.Chunk.Overlap).ToArray() },
                new() { Value = rows.Select(r => r.Chunk.Heading).ToArray() },
                new() { Value = rows.Select(r => r.Chunk.Text).ToArray() },
                new() { Value = rows.Select(r => r.Chunk.SpaceId).ToArray() },
                new()
                {
                    Value = rows.Select(r => r.Chunk.Vector is { } v ? MemoryMarshal.AsBytes<float>(v).ToArray() : null).ToArray(),
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea,
                },
            },
        };
    }

    /// <summary>The chunks of documents, each document's in order.</summary>
    public static async Task<ILookup<long, PreparedChunkRow>> ListAsync(
        NpgsqlConnection connection, IReadOnlyCollection<(int WorkspaceId, long DocumentKey)> documents, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(ListSql, connection);
        command.Parameters.Add(new() { Value = documents.Select(d => d.WorkspaceId).ToArray() });
        command.Parameters.Add(new() { Value = documents.Select(d => d.DocumentKey).ToArray() });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<(long Key, PreparedChunkRow Chunk)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add((reader.GetInt64(0), new(
                reader.GetString(1),
                reader.GetInt32(2),
                reader.GetInt32(3),
                reader.GetString(4),
                reader.IsDBNull(5) ? null : reader.GetInt32(5),
                reader.IsDBNull(6) ? null : MemoryMarshal.Cast<byte, float>(reader.GetFieldValue<byte[]>(6)).ToArray())));
        }

        return rows.ToLookup(r => r.Key, r => r.Chunk);
    }
}
