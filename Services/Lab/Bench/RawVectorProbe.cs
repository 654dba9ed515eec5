using System.Globalization;
using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Bench;

/// <summary>
/// The plainest statements for nearest vectors, for benchmarks to compare searching with: as somebody writes them who knows how, with binary parameters,
/// prepared, and in one round trip.
/// </summary>
internal sealed class RawVectorProbe(NpgsqlDataSource dataSource)
{
    private const string SettingsSql = """
        SELECT set_config('hnsw.ef_search', $1, true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
               set_config('enable_sort', $2, true), set_config('enable_seqscan', $2, true), set_config('max_parallel_workers_per_gather', '0', true)
        """;

    // {0} table, {1} what is added to the distance: nothing lets the index serve, "+ 0" does not.
    private const string NearestSql = """
        SELECT n.chunk_id, n.distance, c.text, d.document_id, d.title, d.metadata::text
        FROM (
            SELECT v.chunk_id, v.document_key, v.embedding <=> $2 AS distance
            FROM {0} v WHERE v.workspace_id = $1
            ORDER BY (v.embedding <=> $2){1} LIMIT $3) n
        JOIN chunks c ON c.workspace_id = $1 AND c.chunk_id = n.chunk_id
        JOIN documents d ON d.workspace_id = $1 AND d.document_key = n.document_key
        """;

    private const string VersionSql = """
        SELECT split_part(version(), ' ', 2) || ', pgvector ' || (SELECT extversion FROM pg_extension WHERE extname = 'vector')
        """;

    // The longest that anybody waits now for a lock of whoever builds or drops an index, and what that is at.
    private const string IndexLockSql = """
        WITH building AS (
            SELECT pid, split_part(query, ' ', 1) AS verb FROM pg_stat_activity
            WHERE state = 'active' AND query ~ '^(CREATE|DROP) INDEX CONCURRENTLY' AND datname = current_database()
        )
        SELECT coalesce((
                   SELECT max(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000)::float8
                   FROM pg_locks l
                   WHERE NOT l.granted AND l.pid NOT IN (SELECT pid FROM building)
                     AND EXISTS (SELECT FROM building b WHERE b.pid = ANY (pg_blocking_pids(l.pid)))), 0),
               (SELECT min(verb) FROM building)
        """;

    // {0} index.
    private const string ReindexSql = "REINDEX INDEX {0}";

    /// <summary>Finds the nearest vectors of a workspace and reads their passages.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="space">The space.</param>
    /// <param name="vector">The query's vector.</param>
    /// <param name="limit">How many.</param>
    /// <param name="efSearch">Candidates that HNSW keeps; 0 for an exact comparison without index.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>The chunks.</returns>
    public async Task<IReadOnlyList<long>> FindAsync(
        int workspaceId, SpaceRow space, float[] vector, int limit, int efSearch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        var sql = string.Format(CultureInfo.InvariantCulture, NearestSql, space.VectorTable, efSearch > 0 ? "" : " + 0");
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("BEGIN READ ONLY"),
                new(SettingsSql)
                {
                    Parameters =
                    {
                        new() { Value = Math.Max(1, efSearch).ToString(CultureInfo.InvariantCulture) },
                        new() { Value = efSearch > 0 ? "off" : "on" },
                    },
                },
                new(sql) { Parameters = { new() { Value = workspaceId }, new() { Value = VectorValue.Of(space, vector) }, new() { Value = limit } } },
                new("COMMIT"),
            },
        };
        await batch.PrepareAsync(cancellationToken);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        var chunks = new List<long>();
        while (await reader.ReadAsync(cancellationToken))
        {
            chunks.Add(reader.GetInt64(0));
        }

        return chunks;
    }

    /// <summary>Removes what is dead from a space's table and its indexes.</summary>
    public Task VacuumAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        return ExecuteAsync("VACUUM ANALYZE " + space.VectorTable, cancellationToken);
    }

    /// <summary>Builds the HNSW index of a space anew, of full precision. Blocks writing.</summary>
    public Task ReindexAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        return ExecuteAsync(string.Format(CultureInfo.InvariantCulture, ReindexSql, space.IndexName(half: false)), cancellationToken);
    }

    /// <summary>The size of a space's HNSW index of full or half precision, in bytes; 0 when there is none.</summary>
    public async Task<long> GetIndexSizeAsync(SpaceRow space, bool half, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var command = dataSource.CreateCommand("SELECT coalesce(pg_relation_size(to_regclass($1)), 0)");
        command.Parameters.Add(new() { Value = space.IndexName(half) });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Whether an index is being built or dropped concurrently, and how long others wait for that.</summary>
    /// <returns>Milliseconds that the one has waited who has waited longest, and <c>CREATE</c>, <c>DROP</c> or null when neither is going on.</returns>
    public async Task<(double WaitMilliseconds, string? Verb)> FindIndexLockWaitAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(IndexLockSql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetDouble(0), reader.IsDBNull(1) ? null : reader.GetString(1));
    }

    /// <summary>Does now what autovacuum would do within minutes after a large load, and beside what is measured.</summary>
    public async Task VacuumAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("VACUUM (ANALYZE)");
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>How many connections an application has open.</summary>
    public async Task<int> CountConnectionsAsync(string application, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("SELECT count(*)::int FROM pg_stat_activity WHERE application_name = $1");
        command.Parameters.Add(new() { Value = application });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>The versions of PostgreSQL and pgvector.</summary>
    public async Task<string> GetVersionAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(VersionSql);
        return (string)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
