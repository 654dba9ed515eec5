using System.Data;
using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>A fault of the index.</summary>
/// <param name="Kind">
/// <c>missing</c>: a chunk, or its vector, is not there. <c>phantom</c>: a vector without chunk. <c>stale</c>: a chunk or vector of another text.
/// <c>wrong_space</c>: vectors in a space that the workspace's route does not hold. <c>bad_vector</c>: zero or not finite.
/// <c>wrong_workspace</c>: a vector under another workspace or document than its chunk. <c>duplicate</c>: two chunks in one place.
/// <c>orphan_chunk</c>: a chunk without document. <c>lost_task</c>: a document that is behind and has no task. <c>invalid_index</c>: an HNSW
/// index that PostgreSQL does not use.
/// </param>
/// <param name="WorkspaceId">The workspace; 0 when it is none's.</param>
/// <param name="DocumentId">The document, if it is known.</param>
/// <param name="ChunkId">The chunk, if it is about one.</param>
/// <param name="SpaceId">The space, if it is about one.</param>
public sealed record IndexFault(string Kind, int WorkspaceId, string? DocumentId, long? ChunkId, int? SpaceId);

/// <summary>What a check found.</summary>
/// <param name="Documents">Documents that were compared with what was indexed of them.</param>
/// <param name="Chunks">Chunks whose text was compared with their hash.</param>
/// <param name="Vectors">Vectors that were looked at.</param>
/// <param name="Buckets">Buckets of which chunks and vectors were compared by hash.</param>
/// <param name="UnequalBuckets">Buckets that differed, and were compared row by row.</param>
/// <param name="Faults">The faults; of each kind and space at most <see cref="DoctorStore.MaxFaults"/>.</param>
public sealed record IndexDiagnosis(
    long Documents, long Chunks, long Vectors, long Buckets, long UnequalBuckets, IReadOnlyList<IndexFault> Faults);

/// <summary>Proves that documents, chunks, vectors and routes agree, in one snapshot, and mends what does not.</summary>
public sealed class DoctorStore(NpgsqlDataSource dataSource)
{
    /// <summary>Faults of one kind and space that a check names, at most.</summary>
    public const int MaxFaults = 1000;

    private const string CountSql = """
        SELECT (SELECT count(*) FROM documents WHERE $1::int IS NULL OR workspace_id = $1),
               (SELECT count(*) FROM chunks WHERE $1::int IS NULL OR workspace_id = $1)
        """;

    // A document is behind when nothing, or another text, or other prepared chunks, were indexed of it. In the target of a migration that nobody searches yet,
    // documents are behind until the backfill has come to them.
    private const string LostTaskSql = """
        SELECT d.workspace_id, d.document_id, NULL::bigint, s.space_id
        FROM documents d
        JOIN workspaces w ON w.workspace_id = d.workspace_id AND w.deleted_at IS NULL
        JOIN (SELECT workspace_id, serving_space AS space_id FROM routes
              UNION ALL SELECT workspace_id, target_space FROM routes WHERE target_space IS NOT NULL AND target_share > 0) s
            ON s.workspace_id = d.workspace_id
        LEFT JOIN indexed_documents i
            ON i.workspace_id = d.workspace_id AND i.document_key = d.document_key AND i.space_id = s.space_id
        WHERE ($1::int IS NULL OR d.workspace_id = $1)
          AND (i.text_hash IS NULL OR i.text_hash <> document_hash(d.text, d.prepared))
          AND NOT EXISTS (SELECT FROM tasks t WHERE t.workspace_id = d.workspace_id AND t.document_id = d.document_id AND t.space_id = s.space_id)
          AND NOT EXISTS (SELECT FROM dead_letters l WHERE l.workspace_id = d.workspace_id AND l.document_id = d.document_id AND l.space_id = s.space_id)
        LIMIT 1000
        """;

    // Of a document that is not being worked on.
    private const string SettledSql = """
        NOT EXISTS (SELECT FROM tasks t WHERE t.workspace_id = d.workspace_id AND t.document_id = d.document_id)
        AND NOT EXISTS (SELECT FROM dead_letters l WHERE l.workspace_id = d.workspace_id AND l.document_id = d.document_id)
        """;

    private const string MissingChunkSql = $"""
        SELECT d.workspace_id, d.document_id, NULL::bigint, NULL::int
        FROM (SELECT DISTINCT ON (workspace_id, document_key) * FROM indexed_documents WHERE $1::int IS NULL OR workspace_id = $1
              ORDER BY workspace_id, document_key, revision DESC) i
        JOIN documents d ON d.workspace_id = i.workspace_id AND d.document_key = i.document_key
        LEFT JOIN (SELECT workspace_id, document_key, count(DISTINCT (content_hash, occurrence)) AS chunks FROM chunks
                   WHERE $1::int IS NULL OR workspace_id = $1 GROUP BY workspace_id, document_key) c
            ON c.workspace_id = i.workspace_id AND c.document_key = i.document_key
        WHERE coalesce(c.chunks, 0) < i.chunks AND {SettledSql}
        LIMIT 1000
        """;

    private const string DuplicateSql = $"""
        SELECT d.workspace_id, d.document_id, c.chunk_id, NULL::int
        FROM (SELECT workspace_id, document_key, chunk_id, row_number() OVER (PARTITION BY workspace_id, document_key, ordinal ORDER BY chunk_id) AS n
              FROM chunks WHERE $1::int IS NULL OR workspace_id = $1) c
        JOIN documents d ON d.workspace_id = c.workspace_id AND d.document_key = c.document_key
        WHERE c.n > 1 AND {SettledSql}
        LIMIT 1000
        """;

    private const string OrphanSql = """
        SELECT c.workspace_id, NULL::text, c.chunk_id, NULL::int
        FROM chunks c LEFT JOIN documents d ON d.workspace_id = c.workspace_id AND d.document_key = c.document_key
        WHERE ($1::int IS NULL OR c.workspace_id = $1) AND d.document_key IS NULL
        LIMIT 1000
        """;

    private const string StaleChunkSql = """
        SELECT c.workspace_id, d.document_id, c.chunk_id, NULL::int
        FROM chunks c LEFT JOIN documents d ON d.workspace_id = c.workspace_id AND d.document_key = c.document_key
        WHERE ($1::int IS NULL OR c.workspace_id = $1) AND c.content_hash <> substring(sha256(convert_to(c.text, 'UTF8')) FOR 16)
        LIMIT 1000
        """;

    private const string InvalidIndexSql = """
        SELECT 0, NULL::text, NULL::bigint, s.space_id
        FROM spaces s JOIN pg_index i ON i.indexrelid = to_regclass(
            CASE WHEN s.half_index AND s.dimensions <= 2000 THEN 'hnsw_half_' || s.space_id ELSE 'vectors_' || s.id || '_hnsw' END)
        WHERE NOT i.indisvalid AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
        """;

    // {0} is the table of a registered space, {1} the function that computes a vector's length, in all that follows; $2 is the space.
    // Chunks that the space should have: those of documents that were indexed in it.
    private const string BucketsSql = """
        WITH wanted AS (
            SELECT c.workspace_id, c.document_key % 256 AS bucket, count(*) AS rows,
                   sum(hash_record_extended((c.chunk_id, c.document_key, c.content_hash), 0)::numeric) AS hash
            FROM chunks c JOIN indexed_documents i ON i.workspace_id = c.workspace_id AND i.document_key = c.document_key AND i.space_id = $2
            WHERE $1::int IS NULL OR c.workspace_id = $1
            GROUP BY 1, 2
        ), there AS (
            SELECT v.workspace_id, v.document_key % 256 AS bucket, count(*) AS rows,
                   sum(hash_record_extended((v.chunk_id, v.document_key, v.content_hash), 0)::numeric) AS hash
            FROM {0} v WHERE $1::int IS NULL OR v.workspace_id = $1 GROUP BY 1, 2
        )
        SELECT coalesce(w.workspace_id, t.workspace_id), coalesce(w.bucket, t.bucket), coalesce(t.rows, 0),
               (w.rows, w.hash) IS NOT DISTINCT FROM (t.rows, t.hash)
        FROM wanted w FULL JOIN there t ON t.workspace_id = w.workspace_id AND t.bucket = w.bucket
        """;

    // $3 are buckets that differ, workspace * 256 + bucket, and $4 their workspaces: lists that are looked up by hash, whatever the planner knows of tables just loaded.
    private const string MissingVectorSql = $$"""
        SELECT d.workspace_id, d.document_id, c.chunk_id, $2::int
        FROM chunks c
        JOIN indexed_documents i ON i.workspace_id = c.workspace_id AND i.document_key = c.document_key AND i.space_id = $2
        JOIN documents d ON d.workspace_id = c.workspace_id AND d.document_key = c.document_key
        LEFT JOIN {0} v ON v.workspace_id = c.workspace_id AND v.chunk_id = c.chunk_id
        WHERE c.workspace_id = ANY ($4) AND c.workspace_id * 256::bigint + c.document_key % 256 = ANY ($3)
          AND v.chunk_id IS NULL AND {{SettledSql}}
        LIMIT 1000
        """;

    // Whose chunk a vector without one may be is looked for once for all of them, because chunks are found by workspace only.
    private const string StrangeVectorSql = """
        WITH strange AS MATERIALIZED (
            SELECT v.workspace_id, d.document_id, v.chunk_id,
                   CASE WHEN c.chunk_id IS NULL THEN 'phantom' WHEN c.document_key <> v.document_key THEN 'wrong_workspace' ELSE 'stale' END AS kind
            FROM {0} v
            LEFT JOIN chunks c ON c.workspace_id = v.workspace_id AND c.chunk_id = v.chunk_id
            LEFT JOIN documents d ON d.workspace_id = c.workspace_id AND d.document_key = c.document_key
            WHERE v.workspace_id = ANY ($4) AND v.workspace_id * 256::bigint + v.document_key % 256 = ANY ($3)
              AND (c.chunk_id IS NULL OR c.document_key <> v.document_key OR c.content_hash <> v.content_hash)
            LIMIT 1000
        )
        SELECT CASE WHEN o.chunk_id IS NULL THEN s.kind ELSE 'wrong_workspace' END, s.workspace_id, s.document_id, s.chunk_id
        FROM strange s LEFT JOIN chunks o ON s.kind = 'phantom' AND o.chunk_id = s.chunk_id AND o.workspace_id <> s.workspace_id
        """;

    private const string BadVectorSql = """
        SELECT v.workspace_id, d.document_id, v.chunk_id, $2::int
        FROM {0} v LEFT JOIN documents d ON d.workspace_id = v.workspace_id AND d.document_key = v.document_key
        WHERE ($1::int IS NULL OR v.workspace_id = $1) AND {1}(v.embedding) IN (0, 'NaN', 'Infinity')
        LIMIT 1000
        """;

    private const string WrongSpaceSql = """
        SELECT v.workspace_id, NULL::text, min(v.chunk_id), $2::int
        FROM {0} v JOIN workspaces w ON w.workspace_id = v.workspace_id AND w.deleted_at IS NULL
        WHERE ($1::int IS NULL OR v.workspace_id = $1)
          AND NOT EXISTS (SELECT FROM route_spaces r WHERE r.workspace_id = v.workspace_id AND r.space_id = $2)
        GROUP BY v.workspace_id
        """;

    private static readonly (string Kind, string Sql)[] s_checks =
    [
        ("lost_task", LostTaskSql),
        ("missing", MissingChunkSql),
        ("duplicate", DuplicateSql),
        ("orphan_chunk", OrphanSql),
        ("stale", StaleChunkSql),
        ("invalid_index", InvalidIndexSql),
    ];

    /// <summary>Checks the index in one snapshot. Reads everything; writes nothing, and blocks nobody.</summary>
    /// <param name="workspaceId">One workspace, or null for all.</param>
    /// <param name="spaces">Every registered space.</param>
    /// <param name="cancellationToken">Cancels the check.</param>
    public async Task<IndexDiagnosis> CheckAsync(int? workspaceId, IReadOnlyList<SpaceRow> spaces, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spaces);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
        var (documents, chunks) = await CountAsync(connection, workspaceId, cancellationToken);
        var faults = new List<IndexFault>();
        foreach (var (kind, sql) in s_checks)
        {
            await AddAsync(connection, faults, kind, sql, [Workspace(workspaceId)], cancellationToken);
        }

        long vectors = 0, buckets = 0, unequal = 0;
        foreach (var space in spaces)
        {
            var (rows, all, different) = await CompareAsync(connection, workspaceId, space, cancellationToken);
            (vectors, buckets, unequal) = (vectors + rows, buckets + all, unequal + different.Count);
            if (different.Count > 0)
            {
                await AddUnequalAsync(connection, faults, workspaceId, space, different, cancellationToken);
            }

            await AddAsync(
                connection, faults, "bad_vector", Sql(BadVectorSql, space), [Workspace(workspaceId), new() { Value = space.SpaceId }], cancellationToken);
            await AddAsync(
                connection, faults, "wrong_space", Sql(WrongSpaceSql, space), [Workspace(workspaceId), new() { Value = space.SpaceId }], cancellationToken);
        }

        return new(documents, chunks, vectors, buckets, unequal, faults);
    }

    private static string Sql(string format, SpaceRow space) =>
        string.Format(null, format, space.VectorTable, space.VectorType == "halfvec" ? "l2_norm" : "vector_norm");

    private static NpgsqlParameter Workspace(int? workspaceId) =>
        new() { Value = (object?)workspaceId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer };

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, NpgsqlParameter[] parameters)
    {
        // Reads whole tables.
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 3600 };
        command.Parameters.AddRange(parameters);
        return command;
    }

    private static async Task<(long Documents, long Chunks)> CountAsync(
        NpgsqlConnection connection, int? workspaceId, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, CountSql, [Workspace(workspaceId)]);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetInt64(0), reader.GetInt64(1));
    }

    private static async Task AddAsync(
        NpgsqlConnection connection,
        List<IndexFault> faults,
        string kind,
        string sql,
        NpgsqlParameter[] parameters,
        CancellationToken cancellationToken)
    {
        await using var command = Command(connection, sql, parameters);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            faults.Add(new(
                kind,
                reader.GetInt32(0),
                reader.IsDBNull(1) ? null : reader.GetString(1),
                reader.IsDBNull(2) ? null : reader.GetInt64(2),
                reader.IsDBNull(3) ? null : reader.GetInt32(3)));
        }
    }

    private static async Task<(long Rows, long Buckets, List<(int Workspace, long Bucket)> Unequal)> CompareAsync(
        NpgsqlConnection connection, int? workspaceId, SpaceRow space, CancellationToken cancellationToken)
    {
        await using var command = Command(connection, Sql(BucketsSql, space), [Workspace(workspaceId), new() { Value = space.SpaceId }]);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        long rows = 0, buckets = 0;
        var unequal = new List<(int, long)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            buckets++;
            rows += reader.GetInt64(2);
            if (!reader.GetBoolean(3))
            {
                unequal.Add((reader.GetInt32(0), reader.GetInt64(1)));
            }
        }

        return (rows, buckets, unequal);
    }

    private static async Task AddUnequalAsync(
        NpgsqlConnection connection,
        List<IndexFault> faults,
        int? workspaceId,
        SpaceRow space,
        List<(int Workspace, long Bucket)> buckets,
        CancellationToken cancellationToken)
    {
        NpgsqlParameter[] Parameters() =>
        [
            Workspace(workspaceId),
            new() { Value = space.SpaceId },
            new() { Value = buckets.Select(b => (b.Workspace * 256L) + b.Bucket).ToArray() },
            new() { Value = buckets.Select(b => b.Workspace).Distinct().ToArray() },
        ];
        await AddAsync(connection, faults, "missing", Sql(MissingVectorSql, space), Parameters(), cancellationToken);
        await using var command = Command(connection, Sql(StrangeVectorSql, space), Parameters());
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            faults.Add(new(
                reader.GetString(0), reader.GetInt32(1), reader.IsDBNull(2) ? null : reader.GetString(2), reader.GetInt64(3), space.SpaceId));
        }
    }
}
