using System.Globalization;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>Figures that plans are based on.</summary>
/// <param name="Chunks">Live chunks of the workspace.</param>
/// <param name="ChunksADocument">Chunks of a document on average, of a sample; at least 1.</param>
/// <param name="TableRows">Vectors of the whole space, as of the table's last ANALYZE.</param>
/// <param name="HasIndex">Whether the space has an HNSW index that can be used.</param>
/// <param name="HasPartialIndex">Whether the workspace has one of its own.</param>
/// <param name="Sample">Keys of some documents of the workspace.</param>
public sealed record VectorStatistics(
    long Chunks, double ChunksADocument, double TableRows, bool HasIndex, bool HasPartialIndex, long[] Sample);

/// <summary>A workspace's part of a space.</summary>
/// <param name="WorkspaceId">The workspace.</param>
/// <param name="Space">The space that serves it.</param>
/// <param name="Chunks">Its live chunks.</param>
/// <param name="TableRows">Vectors of the whole space.</param>
/// <param name="HasPartialIndex">Whether it has an HNSW index of its own, whatever its state.</param>
/// <param name="IsAlive">Whether that index can be used or is being built; else its building was interrupted.</param>
public sealed record WorkspaceShareRow(int WorkspaceId, SpaceRow Space, long Chunks, double TableRows, bool HasPartialIndex, bool IsAlive);

/// <summary>Reads what planning is based on, and gives large workspaces HNSW indexes of their own.</summary>
public sealed class PlannerStore(NpgsqlDataSource dataSource)
{
    private const int SampleSize = 300;

    // The sample is spread over the keys: documents that were put together are often alike.
    private const string StatisticsSql = """
        SELECT (SELECT coalesce(sum(chunks), 0)::bigint FROM lexical_counts WHERE workspace_id = $1),
               (SELECT coalesce(avg(s.chunks), 1)::float8 FROM (
                   SELECT (SELECT count(*) FROM chunks c WHERE c.workspace_id = d.workspace_id AND c.document_key = d.document_key) AS chunks
                   FROM documents d WHERE d.workspace_id = $1 LIMIT 100) s),
               (SELECT greatest(reltuples, 0)::float8 FROM pg_class WHERE oid = to_regclass($2)),
               coalesce(bool_or(a.amname = 'hnsw' AND i.indisvalid AND i.indpred IS NULL), false),
               coalesce(bool_or(c.relname = $3 AND i.indisvalid), false),
               ARRAY(
                   SELECT d.document_key
                   FROM (SELECT min(document_key) AS first, max(document_key) AS last FROM documents WHERE workspace_id = $1) r,
                        generate_series(0, $4 / 10 - 1) AS s (i),
                        LATERAL (
                            SELECT document_key FROM documents
                            WHERE workspace_id = $1 AND document_key >= r.first + (r.last - r.first) * s.i / ($4 / 10)
                            ORDER BY document_key LIMIT 10) d)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
        WHERE i.indrelid = to_regclass($2)
        """;

    // Counting ends at $2; beyond it the share of the sample is what counts.
    private const string EstimateSql = """
        SELECT (SELECT count(*) FROM (SELECT FROM documents d WHERE d.workspace_id = $1 AND {0} LIMIT $2) m),
               (SELECT count(*) FROM documents d WHERE d.workspace_id = $1 AND d.document_key = ANY ($3) AND {0})
        """;

    private const string SharesSql = $"""
        SELECT w.workspace_id, n.chunks, greatest(t.reltuples, 0)::float8, p.indexrelid IS NOT NULL,
               coalesce(p.indisvalid, false) OR EXISTS (SELECT FROM pg_stat_progress_create_index g WHERE g.index_relid = p.indexrelid),
               {SpaceRow.Columns}
        FROM (SELECT workspace_id, sum(chunks)::bigint AS chunks FROM lexical_counts GROUP BY workspace_id) n
        JOIN workspaces w ON w.workspace_id = n.workspace_id AND w.deleted_at IS NULL
        JOIN routes r ON r.workspace_id = w.workspace_id
        JOIN spaces s ON s.space_id = r.serving_space
        JOIN pg_class t ON t.oid = to_regclass('vectors_' || s.id)
        LEFT JOIN pg_index p ON p.indexrelid = to_regclass('hnsw_' || s.space_id || '_' || w.workspace_id)
        WHERE n.chunks >= $1 OR p.indexrelid IS NOT NULL
        ORDER BY n.chunks DESC LIMIT 1000
        """;

    // {0} space, {1} workspace, {2} table, {3} type: numbers and a checked id of ours. Neither blocks reading or writing.
    private const string CreateIndexSql = """
        CREATE INDEX CONCURRENTLY hnsw_{0}_{1} ON {2} USING hnsw (embedding {3}_cosine_ops) WITH (m = 16, ef_construction = 128) WHERE workspace_id = {1}
        """;

    private const string DropIndexSql = "DROP INDEX CONCURRENTLY IF EXISTS hnsw_{0}_{1}";

    /// <summary>The figures of a workspace.</summary>
    public async Task<VectorStatistics> GetStatisticsAsync(int workspaceId, SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var command = dataSource.CreateCommand(StatisticsSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = space.VectorTable });
        command.Parameters.Add(new() { Value = string.Create(CultureInfo.InvariantCulture, $"hnsw_{space.SpaceId}_{workspaceId}") });
        command.Parameters.Add(new() { Value = SampleSize });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new(
            reader.GetInt64(0),
            Math.Max(1, reader.GetDouble(1)),
            reader.IsDBNull(2) ? 0 : reader.GetDouble(2),
            reader.GetBoolean(3),
            reader.GetBoolean(4),
            reader.GetFieldValue<long[]>(5));
    }

    /// <summary>Estimates how many documents meet a condition.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="filter">The condition.</param>
    /// <param name="limit">Counting ends here.</param>
    /// <param name="sample">Keys of some documents.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>The count, up to <paramref name="limit"/>, and the count among the sample.</returns>
    public async Task<(long Counted, long InSample)> EstimateAsync(
        int workspaceId, Filter filter, int limit, long[] sample, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(filter);
        await using var command = dataSource.CreateCommand();
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = limit });
        command.Parameters.Add(new() { Value = sample });
        command.CommandText = string.Format(CultureInfo.InvariantCulture, EstimateSql, filter.ToSql(command.Parameters));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetInt64(0), reader.GetInt64(1));
    }

    /// <summary>Workspaces of at least <paramref name="chunks"/> chunks, and those that have an index of their own; at most 1,000.</summary>
    public async Task<IReadOnlyList<WorkspaceShareRow>> ListSharesAsync(long chunks, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(SharesSql);
        command.Parameters.Add(new() { Value = chunks });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var shares = new List<WorkspaceShareRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            shares.Add(new(
                reader.GetInt32(0), SpaceRow.Read(reader, 5), reader.GetInt64(1), reader.GetDouble(2), reader.GetBoolean(3), reader.GetBoolean(4)));
        }

        return shares;
    }

    /// <summary>Builds a workspace's own index, beside reading and writing. Takes minutes for a million vectors.</summary>
    /// <exception cref="PostgresException">Another process builds it (42P07), or it failed: what is left of it is not usable and has to be dropped.</exception>
    public Task CreatePartialIndexAsync(int workspaceId, SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        return ExecuteAsync(
            string.Format(CultureInfo.InvariantCulture, CreateIndexSql, space.SpaceId, workspaceId, space.VectorTable, space.VectorType), cancellationToken);
    }

    /// <summary>Drops a workspace's own index, beside reading and writing.</summary>
    public Task DropPartialIndexAsync(int workspaceId, SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        return ExecuteAsync(string.Format(CultureInfo.InvariantCulture, DropIndexSql, space.SpaceId, workspaceId), cancellationToken);
    }

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
