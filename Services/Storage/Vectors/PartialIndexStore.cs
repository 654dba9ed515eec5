using System.Globalization;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>A workspace's own HNSW index in a space.</summary>
/// <param name="IsHalf">Whether it is of half precision.</param>
/// <param name="IsValid">Whether it can be used.</param>
/// <param name="IsAlive">Whether it can be used or is being built; else its building was interrupted.</param>
public sealed record PartialIndexRow(bool IsHalf, bool IsValid, bool IsAlive);

/// <summary>A workspace's part of a space.</summary>
/// <param name="WorkspaceId">The workspace; of one that was deleted only indexes may be left.</param>
/// <param name="Space">The space.</param>
/// <param name="Chunks">Live chunks of the workspace; 0 when it was deleted or has nothing to do with the space any more.</param>
/// <param name="TableRows">Vectors of the whole space, as of the table's last ANALYZE.</param>
/// <param name="IsServed">Whether the space serves the workspace now; else it may be the target of its migration.</param>
/// <param name="Indexes">The workspace's own indexes there, whatever their state.</param>
public sealed record WorkspaceShareRow(
    int WorkspaceId, SpaceRow Space, long Chunks, double TableRows, bool IsServed, IReadOnlyList<PartialIndexRow> Indexes);

/// <summary>HNSW indexes of single workspaces: partial indexes of a space's table.</summary>
public sealed class PartialIndexStore(NpgsqlDataSource dataSource)
{
    // What nobody owns any more comes first.
    private const string SharesSql = $"""
        WITH sizes AS (
            SELECT r.workspace_id, r.space_id, sum(n.chunks)::bigint AS chunks
            FROM route_spaces r
            JOIN workspaces w ON w.workspace_id = r.workspace_id AND w.deleted_at IS NULL
            JOIN lexical_counts n ON n.workspace_id = r.workspace_id
            GROUP BY r.workspace_id, r.space_id
        ), indexes AS (
            SELECT s.space_id, substring(c.relname FROM '[0-9]+$')::int AS workspace_id, c.relname LIKE 'hnsw\_half\_%' AS half, i.indisvalid AS valid,
                   i.indisvalid OR EXISTS (SELECT FROM pg_stat_progress_create_index g WHERE g.index_relid = i.indexrelid) AS alive
            FROM spaces s
            JOIN pg_index i ON i.indrelid = to_regclass('vectors_' || s.id)
            JOIN pg_class c ON c.oid = i.indexrelid AND c.relname ~ ('^hnsw_(half_)?' || s.space_id || '_[0-9]+$')
        )
        SELECT workspace_id, coalesce(z.chunks, 0), greatest(t.reltuples, 0)::float8,
               EXISTS (SELECT FROM routes r WHERE r.workspace_id = z.workspace_id AND r.serving_space = z.space_id),
               x.half, x.valid, x.alive, {SpaceRow.Columns}
        FROM sizes z
        FULL JOIN indexes x USING (workspace_id, space_id)
        JOIN spaces s USING (space_id)
        JOIN pg_class t ON t.oid = to_regclass('vectors_' || s.id)
        WHERE z.chunks >= $1 OR x.half IS NOT NULL
        ORDER BY z.chunks DESC NULLS FIRST LIMIT 1000
        """;

    // {0} index, {1} table, {2} expression, {3} its type, {4} workspace: numbers and checked ids of ours. Neither blocks reading or writing.
    private const string CreateSql = """
        CREATE INDEX CONCURRENTLY {0} ON {1} USING hnsw ({2} {3}_cosine_ops) WITH (m = 16, ef_construction = 256) WHERE workspace_id = {4}
        """;

    private const string DropSql = "DROP INDEX CONCURRENTLY IF EXISTS {0}";

    /// <summary>
    /// Workspaces of at least <paramref name="chunks"/> chunks in the spaces of their routes, and all indexes of single workspaces, also of those
    /// that were deleted; at most 1,000.
    /// </summary>
    public async Task<IReadOnlyList<WorkspaceShareRow>> ListSharesAsync(long chunks, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(SharesSql);
        command.Parameters.Add(new() { Value = chunks });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var shares = new Dictionary<(int Workspace, int Space), (WorkspaceShareRow Share, List<PartialIndexRow> Indexes)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var space = SpaceRow.Read(reader, 7);
            var key = (reader.GetInt32(0), space.SpaceId);
            if (!shares.TryGetValue(key, out var share))
            {
                var indexes = new List<PartialIndexRow>();
                share = (new(key.Item1, space, reader.GetInt64(1), reader.GetDouble(2), reader.GetBoolean(3), indexes), indexes);
                shares.Add(key, share);
            }

            if (!reader.IsDBNull(4))
            {
                share.Indexes.Add(new(reader.GetBoolean(4), reader.GetBoolean(5), reader.GetBoolean(6)));
            }
        }

        return [.. shares.Values.Select(s => s.Share)];
    }

    /// <summary>Builds a workspace's own index, beside reading and writing. Takes minutes for a million vectors.</summary>
    /// <param name="workspaceId">The workspace.</param>
    /// <param name="space">The space; <see cref="SpaceRow.WantsHalfIndex"/> decides about the precision.</param>
    /// <param name="cancellationToken">Cancels; what is left has to be dropped.</param>
    /// <returns>False when somebody else is at the indexes of the space: then it was not built.</returns>
    /// <exception cref="PostgresException">It failed: what is left of it is not usable and has to be dropped.</exception>
    public Task<bool> CreateAsync(int workspaceId, SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        var half = space.WantsHalfIndex;
        return ExecuteAsync(
            space,
            string.Format(
                CultureInfo.InvariantCulture, CreateSql,
                space.IndexName(half, workspaceId), space.VectorTable, space.IndexExpression(half), space.IndexType(half), workspaceId),
            cancellationToken);
    }

    /// <summary>Drops a workspace's own index of one precision, beside reading and writing.</summary>
    /// <returns>False when somebody else is at the indexes of the space: then it was not dropped.</returns>
    public Task<bool> DropAsync(int workspaceId, SpaceRow space, bool half, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        return ExecuteAsync(space, string.Format(CultureInfo.InvariantCulture, DropSql, space.IndexName(half, workspaceId)), cancellationToken);
    }

    private async Task<bool> ExecuteAsync(SpaceRow space, string sql, CancellationToken cancellationToken)
    {
        await using var held = await VectorIndexLock.TryTakeAsync(dataSource, space, cancellationToken);
        if (held is null)
        {
            return false;
        }

        await using var command = dataSource.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(cancellationToken);
        return true;
    }
}
