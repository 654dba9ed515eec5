using System.Globalization;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>
/// Builds the index of a space by a plan. CREATE INDEX CONCURRENTLY runs in no transaction, so there is no SET LOCAL for it, and a SET would stay in a pooled
/// session: settings come with a connection of their own, which is closed at the end. Where a pooler in between does not take them, the index is built
/// with the server's settings; parallel workers can be kept away all the same, by a storage parameter of the table.
/// </summary>
internal sealed class HnswBuilder(NpgsqlDataSource dataSource, SpaceRow space, Action<string> warn)
{
    private const string DropSql = "DROP INDEX CONCURRENTLY IF EXISTS {0}";

    // Neither of them blocks a read or a write.
    private const string SerialSql = "ALTER TABLE {0} SET (parallel_workers = 0)";

    private const string ParallelSql = "ALTER TABLE {0} RESET (parallel_workers)";

    private const string SettingsSql = """
        SELECT pg_size_bytes(current_setting('maintenance_work_mem')), current_setting('max_parallel_maintenance_workers')::int
        """;

    /// <summary>Drops the index, also one that is half built.</summary>
    public async Task DropAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await ExecuteAsync(connection, string.Format(null, DropSql, space.IndexName(space.WantsHalfIndex)), cancellationToken);
    }

    /// <summary>Builds the index; serially when PostgreSQL does not get the shared memory for a parallel build.</summary>
    /// <param name="plan">How.</param>
    /// <param name="resources">The server's own settings.</param>
    /// <param name="cancellationToken">Cancels; what is half built is left behind, invalid.</param>
    /// <returns>The plan that it was built by.</returns>
    public async Task<HnswBuildPlan> BuildAsync(HnswBuildPlan plan, BuildResources resources, CancellationToken cancellationToken)
    {
        try
        {
            await RunAsync(plan, resources, cancellationToken);
            return plan;
        }
        catch (PostgresException e) when (plan.Parallel && e.SqlState is PostgresErrorCodes.DiskFull or PostgresErrorCodes.OutOfMemory)
        {
            // "could not resize shared memory segment": 64 MB is all that a container has by default.
            warn(plan.Failed(e.MessageText));
            await DropAsync(cancellationToken);
            plan = plan with { Parallel = false };
            await RunAsync(plan, resources, cancellationToken);
            return plan;
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        // An index over millions of vectors takes hours; cancellation ends the wait.
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private string Sql(string format) => string.Format(null, format, space.VectorTable);

    private async Task RunAsync(HnswBuildPlan plan, BuildResources resources, CancellationToken cancellationToken)
    {
        var create = VectorIndexStore.CreateStatement(space);
        var workers = plan.Parallel ? resources.ParallelWorkers : 0;
        await using var pooled = await dataSource.OpenConnectionAsync(cancellationToken);
        if (plan.MemoryBytes == resources.MaintenanceMemory && workers == resources.ParallelWorkers)
        {
            await ExecuteAsync(pooled, create, cancellationToken);
            return;
        }

        await using var own = await TryConnectAsync(pooled, plan.MemoryBytes, workers, cancellationToken);
        if (own is not null)
        {
            await ExecuteAsync(own, create, cancellationToken);
            return;
        }

        warn("The connection takes no settings (a pooler is in between), so the index is built with the server's own maintenance_work_mem.");
        if (workers > 0)
        {
            await ExecuteAsync(pooled, create, cancellationToken);
            return;
        }

        await ExecuteAsync(pooled, Sql(SerialSql), cancellationToken);
        try
        {
            await ExecuteAsync(pooled, create, cancellationToken);
        }
        finally
        {
            // On another connection: the one before may be what failed.
            await using var again = await dataSource.OpenConnectionAsync(CancellationToken.None);
            await ExecuteAsync(again, Sql(ParallelSql), CancellationToken.None);
        }
    }

    // Null when the settings did not arrive.
    private static async Task<NpgsqlConnection?> TryConnectAsync(
        NpgsqlConnection like, long memoryBytes, int workers, CancellationToken cancellationToken)
    {
        var kilobytes = memoryBytes / 1024;
        var text = new NpgsqlConnectionStringBuilder(like.ConnectionString) { Pooling = false };
        text.Options = string.Create(
            CultureInfo.InvariantCulture,
            $"{text.Options} -c maintenance_work_mem={kilobytes}kB -c max_parallel_maintenance_workers={workers}").Trim();
        var connection = like.CloneWith(text.ConnectionString);
        try
        {
            await connection.OpenAsync(cancellationToken);
            await using var command = new NpgsqlCommand(SettingsSql, connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            await reader.ReadAsync(cancellationToken);
            if (reader.GetInt64(0) == kilobytes * 1024 && reader.GetInt32(1) == workers)
            {
                return connection;
            }
        }
        catch (PostgresException)
        {
            // PgBouncer refuses parameters at the start that it does not know.
        }

        await connection.DisposeAsync();
        return null;
    }
}
