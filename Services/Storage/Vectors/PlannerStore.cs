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
/// <param name="HalfIndex">Whether the space's index to use is of half precision.</param>
/// <param name="HalfPartialIndex">Whether the workspace's own index to use is.</param>
public sealed record VectorStatistics(
    long Chunks,
    double ChunksADocument,
    double TableRows,
    bool HasIndex,
    bool HasPartialIndex,
    long[] Sample,
    bool HalfIndex = false,
    bool HalfPartialIndex = false);

/// <summary>Reads what planning is based on.</summary>
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
               coalesce(bool_or(a.amname = 'hnsw' AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL), false),
               coalesce(bool_or(a.amname = 'hnsw' AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NOT NULL), false),
               coalesce(bool_or(c.relname = $3 AND i.indisvalid), false),
               coalesce(bool_or(c.relname = $5 AND i.indisvalid), false),
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

    /// <summary>The figures of a workspace.</summary>
    public async Task<VectorStatistics> GetStatisticsAsync(int workspaceId, SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var command = dataSource.CreateCommand(StatisticsSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = space.VectorTable });
        command.Parameters.Add(new() { Value = space.IndexName(half: false, workspaceId) });
        command.Parameters.Add(new() { Value = SampleSize });
        command.Parameters.Add(new() { Value = space.IndexName(half: true, workspaceId) });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var (full, half, ownFull, ownHalf) = (reader.GetBoolean(3), reader.GetBoolean(4), reader.GetBoolean(5), reader.GetBoolean(6));
        return new(
            reader.GetInt64(0),
            Math.Max(1, reader.GetDouble(1)),
            reader.IsDBNull(2) ? 0 : reader.GetDouble(2),
            full || half,
            ownFull || ownHalf,
            reader.GetFieldValue<long[]>(7),
            IsHalf(full, half),
            IsHalf(ownFull, ownHalf));

        // While one replaces the other, both are there: the one that is wanted will stay.
        bool IsHalf(bool hasFull, bool hasHalf) => hasHalf && (space.WantsHalfIndex || !hasFull);
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
}
