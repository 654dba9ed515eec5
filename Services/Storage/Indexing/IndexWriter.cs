using System.Buffers.Binary;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>One transaction of <see cref="IndexStore.WriteAsync"/>.</summary>
internal sealed class IndexWriter(NpgsqlConnection connection, Guid owner, SpaceRow space, IReadOnlyList<IndexDocument> documents)
{
    // Rows of one COPY. A document of thousands of passages is one transaction, which makes it visible at once, but no statement of it takes long: that is
    // limited at the server, so that one whose caller has gone ends too.
    private const int CopyRows = 200;

    private const string LimitSql = "SELECT set_config('statement_timeout', '20000', true)";

    // In the order of Locks.
    private const string LockDocumentsSql = """
        SELECT d.workspace_id, d.document_key, d.revision
        FROM unnest($1::int[], $2::bigint[]) AS i (workspace_id, document_key)
        JOIN documents d ON d.workspace_id = i.workspace_id AND d.document_key = i.document_key
        ORDER BY d.workspace_id, d.document_id
        FOR NO KEY UPDATE OF d
        """;

    private const string LockTasksSql = """
        SELECT i.i
        FROM unnest($2::int[], $3::text[], $4::bigint[]) WITH ORDINALITY AS i (workspace_id, document_id, version, i)
        JOIN tasks t ON t.workspace_id = i.workspace_id AND t.document_id = i.document_id AND t.space_id = $5
        JOIN workspaces w ON w.workspace_id = i.workspace_id
        WHERE t.version = i.version AND t.lease_owner = $1 AND w.indexing_paused_at IS NULL AND w.deleted_at IS NULL
        ORDER BY t.workspace_id, t.document_id
        FOR UPDATE OF t
        """;

    // {0} is the table of a registered space, in all that follows.
    private const string StoredSql = """
        SELECT c.document_key, c.chunk_id, c.content_hash, c.occurrence, c.ordinal, c.start_offset, c.overlap, c.heading,
               v.chunk_id IS NOT NULL
        FROM unnest($1::int[], $2::bigint[]) AS i (workspace_id, document_key)
        JOIN chunks c ON c.workspace_id = i.workspace_id AND c.document_key = i.document_key
        LEFT JOIN {0} v ON v.workspace_id = c.workspace_id AND v.chunk_id = c.chunk_id
        """;

    private const string ReserveIdsSql = """
        SELECT nextval(pg_get_serial_sequence('chunks', 'chunk_id')) FROM generate_series(1, $1)
        """;

    private const string CopyChunksSql = """
        COPY chunks (workspace_id, chunk_id, document_key, content_hash, occurrence, ordinal, start_offset, overlap, heading, text)
        FROM STDIN (FORMAT BINARY)
        """;

    private const string CopyVectorsSql = """
        COPY {0} (workspace_id, chunk_id, document_key, content_hash, embedding) FROM STDIN (FORMAT BINARY)
        """;

    // A passage that a document repeats: its vector is there, under another occurrence.
    private const string RepeatVectorsSql = """
        INSERT INTO {0} (workspace_id, chunk_id, document_key, content_hash, embedding)
        SELECT i.workspace_id, i.chunk_id, i.document_key, i.content_hash, v.embedding
        FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bytea[]) AS i (workspace_id, chunk_id, document_key, content_hash)
        CROSS JOIN LATERAL (
            SELECT v.embedding FROM {0} v
            WHERE v.workspace_id = i.workspace_id AND v.document_key = i.document_key AND v.content_hash = i.content_hash LIMIT 1) v
        """;

    private const string DeleteVectorsSql = """
        DELETE FROM {0} v USING unnest($1::int[], $2::bigint[]) AS i (workspace_id, chunk_id)
        WHERE v.workspace_id = i.workspace_id AND v.chunk_id = i.chunk_id
        """;

    private const string DeleteSql = """
        DELETE FROM chunks c USING unnest($1::int[], $2::bigint[]) AS i (workspace_id, chunk_id)
        WHERE c.workspace_id = i.workspace_id AND c.chunk_id = i.chunk_id
        """;

    private const string MoveSql = """
        UPDATE chunks c SET ordinal = i.ordinal, start_offset = i.start_offset, overlap = i.overlap, heading = i.heading
        FROM unnest($1::int[], $2::bigint[], $3::int[], $4::int[], $5::int[], $6::text[])
            AS i (workspace_id, chunk_id, ordinal, start_offset, overlap, heading)
        WHERE c.workspace_id = i.workspace_id AND c.chunk_id = i.chunk_id
        """;

    private const string RecordSql = """
        INSERT INTO indexed_documents (workspace_id, document_key, space_id, revision, text_hash, chunks, given)
        SELECT i.workspace_id, i.document_key, $1, i.revision, i.text_hash, i.chunks, i.given
        FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::bytea[], $6::int[], $7::bytea[])
            AS i (workspace_id, document_key, revision, text_hash, chunks, given)
        ON CONFLICT (workspace_id, document_key, space_id) DO UPDATE
        SET revision = excluded.revision, text_hash = excluded.text_hash, chunks = excluded.chunks, given = excluded.given, indexed_at = now()
        """;

    private const string FinishSql = """
        DELETE FROM tasks t USING unnest($1::int[], $2::text[]) AS i (workspace_id, document_id)
        WHERE t.workspace_id = i.workspace_id AND t.document_id = i.document_id AND t.space_id = $3
        """;

    private const string RaiseGenerationsSql = "SELECT raise_generations($1)";

    // The last thing before the commit: a pause, or a deletion, comes either before, and nothing is written, or after it.
    private const string HaltedSql = """
        SELECT indexing_paused_at IS NOT NULL OR deleted_at IS NOT NULL AS halted FROM workspaces WHERE workspace_id = ANY ($1)
        ORDER BY workspace_id
        FOR SHARE
        """;

    private const string IsHaltedSql = """
        SELECT EXISTS (SELECT FROM workspaces WHERE workspace_id = ANY ($1) AND (indexing_paused_at IS NOT NULL OR deleted_at IS NOT NULL))
        """;

    private readonly Dictionary<(long Document, UInt128 Hash, int Occurrence), StoredChunk> _stored = [];
    private readonly HashSet<(long Document, UInt128 Hash)> _vectors = [];
    private readonly Dictionary<long, (int Workspace, long Revision)> _locked = [];

    /// <returns>What became of each document; null when a workspace was paused or deleted meanwhile: then nothing may be committed.</returns>
    public async Task<IndexOutcome[]?> WriteAsync(CancellationToken cancellationToken)
    {
        var current = await LockAsync(cancellationToken);
        Failpoint.Hit("write.locked");
        var outcomes = new IndexOutcome[documents.Count];
        var written = new List<IndexDocument>();
        for (var i = 0; i < documents.Count; i++)
        {
            var document = documents[i];
            outcomes[i] = !current.Contains(i) || !_locked.ContainsKey(document.DocumentKey) ? IndexOutcome.Stale
                : document.Chunks.Any(c => c.Vector.IsEmpty && !_vectors.Contains((document.DocumentKey, Key(c.Hash)))) ? IndexOutcome.VectorMissing
                : IndexOutcome.Written;
            if (outcomes[i] == IndexOutcome.Written)
            {
                written.Add(document);
            }
        }

        return written.Count == 0 || await ApplyAsync(written, cancellationToken) ? outcomes : null;
    }

    private static UInt128 Key(byte[] hash) => BinaryPrimitives.ReadUInt128BigEndian(hash);

    private static NpgsqlParameter Array<T>(IEnumerable<T> values) => new() { Value = values.ToArray() };

    private string Sql(string format) => string.Format(null, format, space.VectorTable);

    private async Task<HashSet<int>> LockAsync(CancellationToken cancellationToken)
    {
        var workspaces = documents.Select(d => d.Task.WorkspaceId).ToArray();
        var keys = documents.Select(d => d.DocumentKey).ToArray();
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(LimitSql),
                new(LockDocumentsSql) { Parameters = { new() { Value = workspaces }, new() { Value = keys } } },
                new(LockTasksSql)
                {
                    Parameters =
                    {
                        new() { Value = owner },
                        new() { Value = workspaces },
                        Array(documents.Select(d => d.Task.DocumentId)),
                        Array(documents.Select(d => d.Task.Version)),
                        new() { Value = space.SpaceId },
                    },
                },
                new(Sql(StoredSql)) { Parameters = { new() { Value = workspaces }, new() { Value = keys } } },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            _locked.Add(reader.GetInt64(1), (reader.GetInt32(0), reader.GetInt64(2)));
        }

        await reader.NextResultAsync(cancellationToken);
        var current = new HashSet<int>();
        while (await reader.ReadAsync(cancellationToken))
        {
            current.Add((int)reader.GetInt64(0) - 1);
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var (document, hash) = (reader.GetInt64(0), Key(reader.GetFieldValue<byte[]>(2)));
            var chunk = new StoredChunk(
                reader.GetInt64(1), reader.GetInt32(4), reader.GetInt32(5), reader.GetInt32(6), reader.GetString(7), reader.GetBoolean(8));
            _stored.Add((document, hash, reader.GetInt32(3)), chunk);
            if (chunk.HasVector)
            {
                _vectors.Add((document, hash));
            }
        }

        return current;
    }

    private async Task<bool> ApplyAsync(List<IndexDocument> written, CancellationToken cancellationToken)
    {
        var fresh = new List<NewChunk>();
        var vectors = new List<(int Workspace, long Document, long Chunk, byte[] Hash, ReadOnlyMemory<float> Vector)>();
        var moved = new List<(int Workspace, long Chunk, int Ordinal, IndexChunk To)>();
        var replaced = new List<(int Workspace, long Chunk)>();
        var kept = new HashSet<long>();
        foreach (var document in written)
        {
            var workspace = document.Task.WorkspaceId;
            for (var ordinal = 0; ordinal < document.Chunks.Count; ordinal++)
            {
                var chunk = document.Chunks[ordinal];
                if (!_stored.TryGetValue((document.DocumentKey, Key(chunk.Hash), chunk.Occurrence), out var stored))
                {
                    fresh.Add(new(workspace, document.DocumentKey, ordinal, chunk));
                    continue;
                }

                kept.Add(stored.ChunkId);
                if (!stored.HasVector || !chunk.Vector.IsEmpty)
                {
                    vectors.Add((workspace, document.DocumentKey, stored.ChunkId, chunk.Hash, chunk.Vector));
                    if (stored.HasVector)
                    {
                        replaced.Add((workspace, stored.ChunkId));
                    }
                }

                if ((stored.Ordinal, stored.Start, stored.Overlap, stored.Heading) != (ordinal, chunk.Start, chunk.Overlap, chunk.Heading))
                {
                    moved.Add((workspace, stored.ChunkId, ordinal, chunk));
                }
            }
        }

        if (fresh.Count > 0)
        {
            var ids = await ReserveIdsAsync(fresh.Count, cancellationToken);
            Failpoint.Hit("write.ids");
            foreach (var part in fresh.Zip(ids).Chunk(CopyRows))
            {
                await CopyChunksAsync(part, cancellationToken);
                if (fresh.Count > CopyRows && await IsHaltedAsync(written, cancellationToken))
                {
                    return false;
                }
            }

            Failpoint.Hit("write.chunks_copied");
            for (var i = 0; i < fresh.Count; i++)
            {
                vectors.Add((fresh[i].Workspace, fresh[i].Document, ids[i], fresh[i].Chunk.Hash, fresh[i].Chunk.Vector));
            }
        }

        if (replaced.Count > 0)
        {
            await using var delete = new NpgsqlCommand(Sql(DeleteVectorsSql), connection);
            delete.Parameters.Add(Array(replaced.Select(r => r.Workspace)));
            delete.Parameters.Add(Array(replaced.Select(r => r.Chunk)));
            await delete.ExecuteNonQueryAsync(cancellationToken);
        }

        foreach (var part in vectors.Where(v => !v.Vector.IsEmpty).Chunk(CopyRows))
        {
            await CopyVectorsAsync(part, cancellationToken);
            if (vectors.Count > CopyRows && await IsHaltedAsync(written, cancellationToken))
            {
                return false;
            }
        }

        Failpoint.Hit("write.vectors_copied");
        var repeated = vectors.Where(v => v.Vector.IsEmpty).ToList();
        var writtenKeys = written.Select(d => d.DocumentKey).ToHashSet();
        var stale = _stored.Where(s => writtenKeys.Contains(s.Key.Document) && !kept.Contains(s.Value.ChunkId))
            .Select(s => (Workspace: _locked[s.Key.Document].Workspace, s.Value.ChunkId)).ToList();

        await using var batch = new NpgsqlBatch(connection);
        if (repeated.Count > 0)
        {
            batch.BatchCommands.Add(new(Sql(RepeatVectorsSql))
            {
                Parameters =
                {
                    Array(repeated.Select(v => v.Workspace)), Array(repeated.Select(v => v.Chunk)),
                    Array(repeated.Select(v => v.Document)), Array(repeated.Select(v => v.Hash)),
                },
            });
        }

        if (stale.Count > 0)
        {
            batch.BatchCommands.Add(new(DeleteSql) { Parameters = { Array(stale.Select(s => s.Workspace)), Array(stale.Select(s => s.ChunkId)) } });
        }

        if (moved.Count > 0)
        {
            batch.BatchCommands.Add(new(MoveSql)
            {
                Parameters =
                {
                    Array(moved.Select(m => m.Workspace)), Array(moved.Select(m => m.Chunk)), Array(moved.Select(m => m.Ordinal)),
                    Array(moved.Select(m => m.To.Start)), Array(moved.Select(m => m.To.Overlap)), Array(moved.Select(m => m.To.Heading)),
                },
            });
        }

        Finish(batch, written, changed: vectors.Count + stale.Count + moved.Count > 0);
        Failpoint.Hit("write.before_finish");
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var halted = false;
        do
        {
            // Of the last statement alone.
            while (await reader.ReadAsync(cancellationToken))
            {
                halted |= reader.GetName(0) == "halted" && reader.GetBoolean(0);
            }
        }
        while (await reader.NextResultAsync(cancellationToken));
        Failpoint.Hit("write.finished");
        return !halted;
    }

    private void Finish(NpgsqlBatch batch, List<IndexDocument> written, bool changed)
    {
        var workspaces = written.Select(d => d.Task.WorkspaceId).ToArray();
        batch.BatchCommands.Add(new(RecordSql)
        {
            Parameters =
            {
                new() { Value = space.SpaceId },
                new() { Value = workspaces },
                Array(written.Select(d => d.DocumentKey)),
                Array(written.Select(d => _locked[d.DocumentKey].Revision)),
                Array(written.Select(d => d.TextHash)),
                Array(written.Select(d => d.Chunks.Count)),
                Array(written.Select(d => d.Given)),
            },
        });
        batch.BatchCommands.Add(new(FinishSql)
        {
            Parameters = { new() { Value = workspaces }, Array(written.Select(d => d.Task.DocumentId)), new() { Value = space.SpaceId } },
        });

        // Cached answers stay right when the work found everything as it was.
        if (changed)
        {
            batch.BatchCommands.Add(new(RaiseGenerationsSql) { Parameters = { Array(workspaces.Distinct().Order()) } });
        }

        batch.BatchCommands.Add(new(HaltedSql) { Parameters = { Array(workspaces.Distinct()) } });
    }

    private async Task<List<long>> ReserveIdsAsync(int count, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(ReserveIdsSql, connection);
        command.Parameters.Add(new() { Value = count });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var ids = new List<long>(count);
        while (await reader.ReadAsync(cancellationToken))
        {
            ids.Add(reader.GetInt64(0));
        }

        return ids;
    }

    // Before it is known for sure: what is paused need not be written to the end.
    private async Task<bool> IsHaltedAsync(List<IndexDocument> written, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(IsHaltedSql, connection) { Parameters = { Array(written.Select(d => d.Task.WorkspaceId).Distinct()) } };
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task CopyChunksAsync(IEnumerable<(NewChunk Chunk, long Id)> rows, CancellationToken cancellationToken)
    {
        await using var copy = await connection.BeginBinaryImportAsync(CopyChunksSql, cancellationToken);
        foreach (var ((workspace, document, ordinal, chunk), id) in rows)
        {
            await copy.StartRowAsync(cancellationToken);
            await copy.WriteAsync(workspace, cancellationToken);
            await copy.WriteAsync(id, cancellationToken);
            await copy.WriteAsync(document, cancellationToken);
            await copy.WriteAsync(chunk.Hash, cancellationToken);
            await copy.WriteAsync(chunk.Occurrence, cancellationToken);
            await copy.WriteAsync(ordinal, cancellationToken);
            await copy.WriteAsync(chunk.Start, cancellationToken);
            await copy.WriteAsync(chunk.Overlap, cancellationToken);
            await copy.WriteAsync(chunk.Heading, cancellationToken);
            await copy.WriteAsync(chunk.Text, cancellationToken);
        }

        await copy.CompleteAsync(cancellationToken);
    }

    private async Task CopyVectorsAsync(
        IReadOnlyCollection<(int Workspace, long Document, long Chunk, byte[] Hash, ReadOnlyMemory<float> Vector)> vectors,
        CancellationToken cancellationToken)
    {
        await using var copy = await connection.BeginBinaryImportAsync(Sql(CopyVectorsSql), cancellationToken);
        foreach (var (workspace, document, chunk, hash, vector) in vectors)
        {
            await copy.StartRowAsync(cancellationToken);
            await copy.WriteAsync(workspace, cancellationToken);
            await copy.WriteAsync(chunk, cancellationToken);
            await copy.WriteAsync(document, cancellationToken);
            await copy.WriteAsync(hash, cancellationToken);
            await copy.WriteAsync(VectorValue.Of(space, vector), cancellationToken);
        }

        await copy.CompleteAsync(cancellationToken);
    }

    private sealed record StoredChunk(long ChunkId, int Ordinal, int Start, int Overlap, string Heading, bool HasVector);

    private sealed record NewChunk(int Workspace, long Document, int Ordinal, IndexChunk Chunk);
}
