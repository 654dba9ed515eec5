using Npgsql;

namespace RagPlatform.Storage;

/// <summary>The HNSW indexes of the spaces' tables.</summary>
public sealed class VectorIndexStore(NpgsqlDataSource dataSource)
{
    /// <summary>The most dimensions that HNSW can index (of <c>halfvec</c>).</summary>
    public const int MaxDimensions = 4000;

    // 0: none, 1: valid, 2: being built, 3: left invalid by a build that failed.
    private const string StateSql = """
        SELECT coalesce((
            SELECT CASE
                WHEN i.indisvalid THEN 1
                WHEN EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) THEN 2
                ELSE 3 END
            FROM pg_index i WHERE i.indexrelid = to_regclass($1)), 0)
        """;

    // {0} is the table of a registered space, {1} its type.
    // While much is still coming in, an index would make each row cost several times as much: it waits for the backlog to shrink, but not for
    // ever, since exact comparison gets slower with each row.
    private const string IsWorthItSql = """
        SELECT (SELECT count(*) FROM (SELECT FROM {0} LIMIT $1) t) = $1
           AND ((SELECT count(*) FROM (SELECT FROM tasks WHERE space_id = $2 LIMIT $3) t) < $3
             OR (SELECT count(*) FROM (SELECT FROM {0} LIMIT $4) t) = $4)
        """;

    // Of the least rows: tasks that wait when it is still a backlog, rows after which the index does not wait any more.
    private const int BacklogShare = 10;
    private const int PatienceFactor = 40;

    private const string DropSql = "DROP INDEX CONCURRENTLY IF EXISTS {0}";

    // {0} index, {1} table, {2} expression, {3} its type.
    // Of 20,000 clustered vectors and 60 queries, recall@10 with ef_construction 64 was 0.970 at ef_search 320 and 0.995 at 500; with 128, 0.997 and 1.
    private const string CreateSql = """
        CREATE INDEX CONCURRENTLY {0} ON {1} USING hnsw ({2} {3}_cosine_ops) WITH (m = 16, ef_construction = 128)
        """;

    /// <summary>
    /// Builds the index of a space once its table has enough rows: below, an exact scan is as fast, and loading costs less. While a tenth of
    /// that number of tasks waits, it is put off until the table has 40 times as many. Neither reads nor writes are blocked. Only one worker
    /// builds an index at a time.
    /// </summary>
    /// <param name="space">The space.</param>
    /// <param name="minRows">Rows from which on the index is worth it.</param>
    /// <param name="maintenanceMemory">
    /// <c>maintenance_work_mem</c> of the build, for instance <c>512MB</c>; null leaves the server's setting and no trace in the session.
    /// </param>
    /// <param name="cancellationToken">Cancels; an index that is half built is dropped by the next call.</param>
    /// <returns>Whether an index was built.</returns>
    public async Task<bool> EnsureAsync(SpaceRow space, int minRows, string? maintenanceMemory, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        var index = space.IndexName(space.WantsHalfIndex);
        if (space.Dimensions > MaxDimensions
            || await StateAsync(index, cancellationToken) is 1 or 2
            || !await IsWorthItAsync(space, minRows, cancellationToken))
        {
            return false;
        }

        await using var held = await VectorIndexLock.TryTakeAsync(dataSource, space, cancellationToken);
        if (held is null)
        {
            return false;
        }

        var state = await StateAsync(index, cancellationToken);
        if (state is 1 or 2)
        {
            return false;
        }

        var half = space.WantsHalfIndex;
        var create = string.Format(null, CreateSql, index, space.VectorTable, space.IndexExpression(half), space.IndexType(half));
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (state == 3)
        {
            await ExecuteAsync(connection, string.Format(null, DropSql, index), cancellationToken);
        }

        if (maintenanceMemory is null)
        {
            await ExecuteAsync(connection, create, cancellationToken);
            return true;
        }

        await using (var set = new NpgsqlCommand("SELECT set_config('maintenance_work_mem', $1, false)", connection))
        {
            set.Parameters.Add(new() { Value = maintenanceMemory });
            await set.ExecuteNonQueryAsync(cancellationToken);
        }

        try
        {
            await ExecuteAsync(connection, create, cancellationToken);
        }
        finally
        {
            await ExecuteAsync(connection, "RESET maintenance_work_mem", CancellationToken.None);
        }

        return true;
    }

    /// <summary>Whether the space has an index of the precision that is wanted, and still one of the other.</summary>
    public async Task<bool> HasObsoleteAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        return await StateAsync(space.IndexName(space.WantsHalfIndex), cancellationToken) == 1
            && await StateAsync(space.IndexName(!space.WantsHalfIndex), cancellationToken) is 1 or 3;
    }

    /// <summary>Drops the index of the precision that is not wanted, beside reading and writing.</summary>
    /// <returns>False when somebody else is at the indexes of the space: then it was not.</returns>
    public async Task<bool> DropObsoleteAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        await using var held = await VectorIndexLock.TryTakeAsync(dataSource, space, cancellationToken);
        if (held is null)
        {
            return false;
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await ExecuteAsync(connection, string.Format(null, DropSql, space.IndexName(!space.WantsHalfIndex)), cancellationToken);
        return true;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        // An index over millions of vectors takes hours; cancellation ends the wait.
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<int> StateAsync(string index, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(StateSql);
        command.Parameters.Add(new() { Value = index });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task<bool> IsWorthItAsync(SpaceRow space, int rows, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(string.Format(null, IsWorthItSql, space.VectorTable));
        command.Parameters.Add(new() { Value = (long)rows });
        command.Parameters.Add(new() { Value = space.SpaceId });
        command.Parameters.Add(new() { Value = Math.Max(1L, rows / BacklogShare) });
        command.Parameters.Add(new() { Value = (long)rows * PatienceFactor });
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
