using Npgsql;

namespace RagPlatform.Storage;

/// <summary>The HNSW indexes of the spaces' tables.</summary>
public sealed class VectorIndexStore(NpgsqlDataSource dataSource)
{
    /// <summary>The most dimensions that HNSW can index (of <c>halfvec</c>).</summary>
    public const int MaxDimensions = 4000;

    private const string LockSql = "SELECT pg_try_advisory_xact_lock(731834939, $1)";

    // The transaction that holds the lock is idle as long as the build runs. Being a statement without snapshot, this also lets go of the
    // one before, whose snapshot the build would wait for.
    private const string StayIdleSql = "SET LOCAL idle_in_transaction_session_timeout = 0";

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
    private const string ReachesSql = "SELECT count(*) = $1 FROM (SELECT FROM {0} LIMIT $1) t";

    private const string DropSql = "DROP INDEX CONCURRENTLY IF EXISTS {0}_hnsw";

    private const string CreateSql = """
        CREATE INDEX CONCURRENTLY {0}_hnsw ON {0} USING hnsw (embedding {1}_cosine_ops) WITH (m = 16, ef_construction = 64)
        """;

    /// <summary>
    /// Builds the index of a space once its table has enough rows: below, an exact scan is as fast, and loading costs less. Neither reads nor
    /// writes are blocked. Only one worker builds an index at a time.
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
        if (space.Dimensions > MaxDimensions
            || await StateAsync(space, cancellationToken) is 1 or 2
            || !await ReachesAsync(space, minRows, cancellationToken))
        {
            return false;
        }

        // The lock belongs to a transaction of its own, because CREATE INDEX CONCURRENTLY cannot run in one.
        await using var guard = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await guard.BeginTransactionAsync(cancellationToken);
        await using (var tryLock = new NpgsqlCommand(LockSql, guard) { Parameters = { new() { Value = space.SpaceId } } })
        {
            if (!(bool)(await tryLock.ExecuteScalarAsync(cancellationToken))!)
            {
                return false;
            }
        }

        await ExecuteAsync(guard, StayIdleSql, cancellationToken);
        var state = await StateAsync(space, cancellationToken);
        if (state is 1 or 2)
        {
            return false;
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (state == 3)
        {
            await ExecuteAsync(connection, string.Format(null, DropSql, space.VectorTable), cancellationToken);
        }

        if (maintenanceMemory is null)
        {
            await ExecuteAsync(connection, string.Format(null, CreateSql, space.VectorTable, space.VectorType), cancellationToken);
            return true;
        }

        await using (var set = new NpgsqlCommand("SELECT set_config('maintenance_work_mem', $1, false)", connection))
        {
            set.Parameters.Add(new() { Value = maintenanceMemory });
            await set.ExecuteNonQueryAsync(cancellationToken);
        }

        try
        {
            await ExecuteAsync(connection, string.Format(null, CreateSql, space.VectorTable, space.VectorType), cancellationToken);
        }
        finally
        {
            await ExecuteAsync(connection, "RESET maintenance_work_mem", CancellationToken.None);
        }

        return true;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        // An index over millions of vectors takes hours; cancellation ends the wait.
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<int> StateAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(StateSql);
        command.Parameters.Add(new() { Value = space.VectorTable + "_hnsw" });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task<bool> ReachesAsync(SpaceRow space, int rows, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(string.Format(null, ReachesSql, space.VectorTable));
        command.Parameters.Add(new() { Value = (long)rows });
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
