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

    /// <summary>The space's HNSW index, which is read on until enough vectors of the workspace meet the condition.</summary>
    Hnsw,
}

/// <summary>A search for nearest vectors.</summary>
/// <param name="WorkspaceId">The workspace.</param>
/// <param name="Space">The space of the vectors.</param>
/// <param name="Vector">The query's vector, of the space's dimensions.</param>
/// <param name="Filter">A condition on documents, or null.</param>
/// <param name="Limit">The most rows to return.</param>
/// <param name="EfSearch">How many candidates HNSW keeps, 1 to 1,000.</param>
/// <param name="MaxScanTuples">How many vectors HNSW visits before it gives up.</param>
public sealed record VectorQuery(
    int WorkspaceId, SpaceRow Space, float[] Vector, Filter? Filter, int Limit, int EfSearch = 100, int MaxScanTuples = 20_000);

/// <summary>A vector that was found.</summary>
/// <param name="ChunkId">Its chunk.</param>
/// <param name="DocumentKey">The chunk's document.</param>
/// <param name="Distance">Cosine distance, 0 (same direction) to 2.</param>
/// <param name="Passage">The passage; null when only keys were asked for.</param>
public sealed record VectorHitRow(long ChunkId, long DocumentKey, double Distance, PassageRow? Passage);

/// <summary>Figures that a plan is based on.</summary>
/// <param name="Chunks">Live chunks of the workspace.</param>
/// <param name="ChunksADocument">Chunks of a document on average, of a sample; at least 1.</param>
/// <param name="HasIndex">Whether the space has an HNSW index that can be used.</param>
public sealed record VectorStatistics(long Chunks, double ChunksADocument, bool HasIndex);

/// <summary>
/// Finds nearest vectors. Vectors of a deleted document go with it, in the same transaction, so what is found is live. Every statement is about one
/// space's table: vectors of two spaces are never compared.
/// </summary>
public sealed class VectorSearch(NpgsqlDataSource dataSource)
{
    // Parameters of the settings hold for the transaction only. Without sorts, PostgreSQL cannot choose another path than the index.
    private const string SettingsSql = """
        SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', $1, true),
               set_config('hnsw.max_scan_tuples', $2, true), set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true)
        """;

    // The index only serves an order by the bare operator; with + 0 it is an exact comparison. {0} table, {1} type, {2} condition.
    private const string HnswSql = """
        WITH nearest AS MATERIALIZED (
            SELECT v.chunk_id, v.document_key, v.embedding <=> $2::real[]::{1} AS distance
            FROM {0} v
            WHERE v.workspace_id = $1 {2}
            ORDER BY v.embedding <=> $2::real[]::{1}
            LIMIT $3
        )
        """;

    private const string ExactSql = """
        WITH nearest AS MATERIALIZED (
            SELECT v.chunk_id, v.document_key, v.embedding <=> $2::real[]::{1} AS distance
            FROM {0} v
            WHERE v.workspace_id = $1 {2}
            ORDER BY (v.embedding <=> $2::real[]::{1}) + 0, v.chunk_id
            LIMIT $3
        )
        """;

    private const string FilterFirstSql = """
        WITH nearest AS MATERIALIZED (
            SELECT v.chunk_id, v.document_key, v.embedding <=> $2::real[]::{1} AS distance
            FROM documents d JOIN {0} v ON v.workspace_id = d.workspace_id AND v.document_key = d.document_key
            WHERE d.workspace_id = $1 AND {2}
            ORDER BY (v.embedding <=> $2::real[]::{1}) + 0, v.chunk_id
            LIMIT $3
        )
        """;

    private const string ExistsSql =
        "AND EXISTS (SELECT FROM documents d WHERE d.workspace_id = v.workspace_id AND d.document_key = v.document_key AND ";

    private const string KeysSql = " SELECT chunk_id, document_key, distance FROM nearest ORDER BY distance, chunk_id";

    private const string PassagesSql = $"""
         SELECT n.chunk_id, n.document_key, n.distance, {PassageRow.Columns}
        FROM nearest n
        JOIN chunks c ON c.workspace_id = $1 AND c.chunk_id = n.chunk_id
        JOIN documents d ON d.workspace_id = $1 AND d.document_key = c.document_key
        ORDER BY n.distance, n.chunk_id
        """;

    private const string CountSql = "SELECT count(*) FROM (SELECT FROM documents d WHERE d.workspace_id = $1 AND {0} LIMIT $2) m";

    private const string StatisticsSql = """
        SELECT (SELECT coalesce(sum(chunks), 0)::bigint FROM lexical_counts WHERE workspace_id = $1),
               (SELECT coalesce(avg(s.chunks), 1)::float8 FROM (
                   SELECT (SELECT count(*) FROM chunks c WHERE c.workspace_id = d.workspace_id AND c.document_key = d.document_key) AS chunks
                   FROM documents d WHERE d.workspace_id = $1 LIMIT 200) s),
               EXISTS (
                   SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
                   WHERE i.indrelid = to_regclass($2) AND a.amname = 'hnsw' AND i.indisvalid AND i.indpred IS NULL)
        """;

    /// <summary>Finds the nearest vectors.</summary>
    /// <param name="query">What is searched.</param>
    /// <param name="plan">How. <see cref="VectorPlan.Hnsw"/> is approximate and may find fewer than there are; the others are exact.</param>
    /// <param name="withPassages">Whether the passages are read in the same round trip.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>The hits, nearest first.</returns>
    public async Task<IReadOnlyList<VectorHitRow>> FindAsync(
        VectorQuery query, VectorPlan plan, bool withPassages, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(query);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        if (plan == VectorPlan.Hnsw)
        {
            batch.BatchCommands.Add(new("BEGIN READ ONLY"));
            batch.BatchCommands.Add(new(SettingsSql)
            {
                Parameters =
                {
                    new() { Value = query.EfSearch.ToString(CultureInfo.InvariantCulture) },
                    new() { Value = query.MaxScanTuples.ToString(CultureInfo.InvariantCulture) },
                },
            });
        }

        batch.BatchCommands.Add(Command(query, plan, withPassages));
        if (plan == VectorPlan.Hnsw)
        {
            batch.BatchCommands.Add(new("COMMIT"));
        }

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        if (plan == VectorPlan.Hnsw)
        {
            await reader.NextResultAsync(cancellationToken);
        }

        var hits = new List<VectorHitRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            hits.Add(new(reader.GetInt64(0), reader.GetInt64(1), reader.GetDouble(2), withPassages ? PassageRow.Read(reader, 3) : null));
        }

        while (await reader.NextResultAsync(cancellationToken))
        {
        }

        return hits;
    }

    /// <summary>Counts documents that meet a condition.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="filter">The condition.</param>
    /// <param name="limit">Counting ends here.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<long> CountDocumentsAsync(int workspaceId, Filter filter, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(filter);
        await using var command = dataSource.CreateCommand();
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = limit });
        command.CommandText = string.Format(CultureInfo.InvariantCulture, CountSql, filter.ToSql(command.Parameters));
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>What planning needs.</summary>
    public async Task<VectorStatistics> GetStatisticsAsync(int workspaceId, SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var command = dataSource.CreateCommand(StatisticsSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = space.VectorTable });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new(reader.GetInt64(0), Math.Max(1, reader.GetDouble(1)), reader.GetBoolean(2));
    }

    private static NpgsqlBatchCommand Command(VectorQuery query, VectorPlan plan, bool withPassages)
    {
        var command = new NpgsqlBatchCommand
        {
            Parameters = { new() { Value = query.WorkspaceId }, new() { Value = query.Vector }, new() { Value = query.Limit } },
        };
        var condition = query.Filter?.ToSql(command.Parameters);
        var (sql, place) = plan switch
        {
            VectorPlan.ExactFilterFirst => (FilterFirstSql, condition ?? "true"),
            VectorPlan.Hnsw => (HnswSql, condition is null ? "" : ExistsSql + condition + ")"),
            _ => (ExactSql, condition is null ? "" : ExistsSql + condition + ")"),
        };
        command.CommandText = string.Format(CultureInfo.InvariantCulture, sql, query.Space.VectorTable, query.Space.VectorType, place)
            + (withPassages ? PassagesSql : KeysSql);
        return command;
    }
}
