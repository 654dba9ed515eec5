using System.Globalization;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>How nearest vectors are found.</summary>
public enum VectorPlan
{
    /// <summary>Every vector of the workspace is compared.</summary>
    ExactWorkspace,

    /// <summary>The documents that meet the condition are found first, and their vectors compared.</summary>
    ExactFilterFirst,

    /// <summary>The space's HNSW index: of its nearest vectors, those of the workspace that meet the condition.</summary>
    Hnsw,

    /// <summary>The workspace's own HNSW index, likewise.</summary>
    PartialHnsw,
}

/// <summary>A search for nearest vectors.</summary>
/// <param name="WorkspaceId">The workspace.</param>
/// <param name="Space">The space of the vectors.</param>
/// <param name="Vector">The query's vector, of the space's dimensions.</param>
/// <param name="Filter">A condition on documents, or null.</param>
/// <param name="Limit">The most rows to return.</param>
/// <param name="EfSearch">How many candidates HNSW keeps, 1 to 1,000.</param>
/// <param name="Scan">How many of the nearest vectors of the index are looked at; at least <paramref name="Limit"/>.</param>
/// <param name="Timeout">Milliseconds after which PostgreSQL gives the statement up.</param>
/// <param name="HalfIndex">Whether the index is of half precision; distances are those of the vectors themselves nevertheless.</param>
public sealed record VectorQuery(
    int WorkspaceId,
    SpaceRow Space,
    float[] Vector,
    Filter? Filter,
    int Limit,
    int EfSearch = 100,
    int Scan = 0,
    int Timeout = 5_000,
    bool HalfIndex = false)
{
    /// <summary>How many of the nearest are returned when their passages are read in the same round trip; 0 for all.</summary>
    public int Shown { get; init; }
}

/// <summary>What a search for nearest vectors found.</summary>
/// <param name="Hits">The hits, nearest first.</param>
/// <param name="Candidates">Of an index: how many of the vectors looked at meet the conditions.</param>
public sealed record VectorResult(IReadOnlyList<VectorHitRow> Hits, int Candidates);

/// <summary>A vector that was found.</summary>
/// <param name="ChunkId">Its chunk.</param>
/// <param name="DocumentKey">The chunk's document.</param>
/// <param name="Distance">Cosine distance, 0 (same direction) to 2.</param>
/// <param name="Passage">The passage; null when only keys were asked for.</param>
public sealed record VectorHitRow(long ChunkId, long DocumentKey, double Distance, PassageRow? Passage);

/// <summary>
/// Finds nearest vectors. Vectors of a deleted document go with it, in the same transaction, so what is found is live. Every statement is about one
/// space's table: vectors of two spaces are never compared.
/// </summary>
public sealed class VectorSearch(NpgsqlDataSource dataSource)
{
    // Settings hold for the transaction only. Without sorts, PostgreSQL cannot choose another path than the index. Workers cost more than they bring.
    // Which documents to read first depends on the values of the condition: a plan for any value takes three times as long for some.
    private const string SettingsSql = """
        SELECT set_config('statement_timeout', $1, true), set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true),
               set_config('plan_cache_mode', 'force_custom_plan', true)
        """;

    private const string IndexSettingsSql = """
        SELECT set_config('statement_timeout', $1, true), set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true),
               set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', $2, true),
               set_config('hnsw.max_scan_tuples', $3, true), set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true)
        """;

    // {0} table, {1} condition on documents, {2} condition of a partial index, {3} what the index is over, {4} its type: a SELECT of its own, so that
    // the query becomes of that type once, and not for each row. The index only serves an order by the bare operator
    // on what it is over; where that is of less precision than the vectors, these decide about what it finds.
    // Conditions are met behind it, not in it: what is nearest among the $3 nearest of all is nearest of those that meet them. A scan that reads
    // on until enough meet them may pass by what lies on the other side of those that do not.
    private const string HnswSql = """
        WITH scanned AS MATERIALIZED (
            SELECT v.workspace_id, v.chunk_id, v.document_key, v.embedding <=> $2 AS distance
            FROM {0} v {2}
            ORDER BY {3} <=> (SELECT $2::{4})
            LIMIT $3
        ), candidates AS MATERIALIZED (
            SELECT v.chunk_id, v.document_key, v.distance FROM scanned v WHERE v.workspace_id = $1 {1}
        ), nearest AS MATERIALIZED (
            SELECT * FROM candidates ORDER BY distance, chunk_id LIMIT $4
        )
        """;

    // With + 0 it is an exact comparison.
    private const string ExactSql = """
        WITH candidates AS (SELECT LEAST($3::bigint, $4::bigint)), nearest AS MATERIALIZED (
            SELECT v.chunk_id, v.document_key, v.embedding <=> $2 AS distance
            FROM {0} v
            WHERE v.workspace_id = $1 {1}
            ORDER BY (v.embedding <=> $2) + 0, v.chunk_id
            LIMIT $4
        )
        """;

    private const string FilterFirstSql = """
        WITH candidates AS (SELECT LEAST($3::bigint, $4::bigint)), nearest AS MATERIALIZED (
            SELECT v.chunk_id, v.document_key, v.embedding <=> $2 AS distance
            FROM documents d JOIN {0} v ON v.workspace_id = d.workspace_id AND v.document_key = d.document_key
            WHERE d.workspace_id = $1 AND {1}
            ORDER BY (v.embedding <=> $2) + 0, v.chunk_id
            LIMIT $4
        )
        """;

    private const string ExistsSql =
        "AND EXISTS (SELECT FROM documents d WHERE d.workspace_id = v.workspace_id AND d.document_key = v.document_key AND ";

    private const string KeysSql = """
         SELECT chunk_id, document_key, distance, (SELECT count(*) FROM candidates) FROM nearest ORDER BY distance, chunk_id
        """;

    // {0} how many.
    private const string PassagesSql = $$"""
         SELECT n.chunk_id, n.document_key, n.distance, (SELECT count(*) FROM candidates), {{PassageRow.Columns}}
        FROM (SELECT * FROM nearest ORDER BY distance, chunk_id LIMIT {0}) n
        JOIN chunks c ON c.workspace_id = $1 AND c.chunk_id = n.chunk_id
        JOIN documents d ON d.workspace_id = $1 AND d.document_key = c.document_key
        ORDER BY n.distance, n.chunk_id
        """;

    // {0} table.
    private const string ReadSql = "SELECT chunk_id, embedding FROM {0} WHERE workspace_id = $1 AND chunk_id = ANY ($2)";

    private const string CountSql = """
        SELECT count(*), count(DISTINCT v.document_key)
        FROM documents d JOIN {0} v ON v.workspace_id = d.workspace_id AND v.document_key = d.document_key
        WHERE d.workspace_id = $1 AND {1}
        """;

    /// <summary>Finds the nearest vectors.</summary>
    /// <param name="query">What is searched.</param>
    /// <param name="plan">How. <see cref="VectorPlan.Hnsw"/> is approximate and may find fewer than there are; the others are exact.</param>
    /// <param name="withPassages">Whether the passages are read in the same round trip.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>The hits, nearest first.</returns>
    /// <exception cref="PostgresException">Among others: the timeout is over (57014).</exception>
    public async Task<VectorResult> FindAsync(VectorQuery query, VectorPlan plan, bool withPassages, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(query);
        var byIndex = plan is VectorPlan.Hnsw or VectorPlan.PartialHnsw;
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands = { new("BEGIN READ ONLY"), Settings(query, byIndex), Command(query, plan, withPassages), new("COMMIT") },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        var hits = new List<VectorHitRow>();
        var candidates = 0;
        while (await reader.ReadAsync(cancellationToken))
        {
            hits.Add(new(reader.GetInt64(0), reader.GetInt64(1), reader.GetDouble(2), withPassages ? PassageRow.Read(reader, 4) : null));
            candidates = (int)reader.GetInt64(3);
        }

        while (await reader.NextResultAsync(cancellationToken))
        {
        }

        return new(hits, candidates);
    }

    /// <summary>Reads vectors of chunks.</summary>
    /// <returns>Vectors by chunk; chunks without one are left out.</returns>
    public async Task<IReadOnlyDictionary<long, float[]>> ReadAsync(
        int workspaceId, SpaceRow space, long[] chunkIds, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var command = dataSource.CreateCommand(string.Format(CultureInfo.InvariantCulture, ReadSql, space.VectorTable));
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = chunkIds });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var vectors = new Dictionary<long, float[]>();
        while (await reader.ReadAsync(cancellationToken))
        {
            vectors.Add(reader.GetInt64(0), VectorValue.Read(reader, 1, space));
        }

        return vectors;
    }

    /// <summary>Counts vectors, and the documents that they are of.</summary>
    public async Task<(long Chunks, long Documents)> CountAsync(
        int workspaceId, SpaceRow space, Filter? filter, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var command = dataSource.CreateCommand();
        command.Parameters.Add(new() { Value = workspaceId });
        command.CommandText = string.Format(CultureInfo.InvariantCulture, CountSql, space.VectorTable, filter?.ToSql(command.Parameters) ?? "true");
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetInt64(0), reader.GetInt64(1));
    }

    private static NpgsqlBatchCommand Settings(VectorQuery query, bool byIndex)
    {
        var command = new NpgsqlBatchCommand(byIndex ? IndexSettingsSql : SettingsSql) { Parameters = { Text(query.Timeout) } };
        if (byIndex)
        {
            command.Parameters.Add(Text(query.EfSearch));
            command.Parameters.Add(Text(4 * Math.Max(query.Limit, query.Scan)));
        }

        return command;

        static NpgsqlParameter Text(int value) => new() { Value = value.ToString(CultureInfo.InvariantCulture) };
    }

    private static NpgsqlBatchCommand Command(VectorQuery query, VectorPlan plan, bool withPassages)
    {
        var command = new NpgsqlBatchCommand
        {
            Parameters =
            {
                new() { Value = query.WorkspaceId },
                new() { Value = VectorValue.Of(query.Space, query.Vector) },
                new() { Value = Math.Max(query.Limit, query.Scan) },
                new() { Value = query.Limit },
            },
        };
        var condition = query.Filter?.ToSql(command.Parameters);
        var exists = condition is null ? "" : ExistsSql + condition + ")";
        var (sql, place) = plan switch
        {
            VectorPlan.ExactFilterFirst => (FilterFirstSql, condition ?? "true"),
            VectorPlan.Hnsw or VectorPlan.PartialHnsw => (HnswSql, exists),
            _ => (ExactSql, exists),
        };

        // A partial index is only recognised by a constant, which is a number of ours.
        var partial = plan == VectorPlan.PartialHnsw ? string.Create(CultureInfo.InvariantCulture, $"WHERE v.workspace_id = {query.WorkspaceId}") : "";
        var space = query.Space;
        command.CommandText = string.Format(
            CultureInfo.InvariantCulture, sql, space.VectorTable, place, partial,
            space.IndexExpression(query.HalfIndex, "v."), space.IndexType(query.HalfIndex))
            + (withPassages ? string.Format(CultureInfo.InvariantCulture, PassagesSql, query.Shown > 0 ? query.Shown : query.Limit) : KeysSql);
        return command;
    }
}
