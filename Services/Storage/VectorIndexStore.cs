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

    // {0} is the table of a registered space.
    // While much is still coming in, an index would make each row cost several times as much: it waits for the backlog to shrink, but not for
    // ever, since exact comparison gets slower with each row. The backlog is counted in chunks, as those of some documents that are done.
    private const string IsWorthItSql = """
        SELECT (SELECT count(*) FROM (SELECT FROM {0} LIMIT $1) t) = $1
           AND ((SELECT count(*) FROM (SELECT FROM tasks WHERE space_id = $2 LIMIT $3) t)
                    * greatest(1, (SELECT avg(chunks) FROM (SELECT chunks FROM indexed_documents WHERE space_id = $2 LIMIT 1000) d)) < $3
             OR (SELECT count(*) FROM (SELECT FROM {0} LIMIT $4) t) = $4)
        """;

    // Of the least rows: chunks that wait when it is still a backlog, rows after which the index does not wait any more.
    private const int BacklogShare = 10;
    private const int PatienceFactor = 40;

    private const string CountSql = "SELECT count(*) FROM {0}";

    private const string SizeSql = "SELECT pg_size_bytes($1)";

    // Of 20,000 clustered vectors and 60 queries, recall@10 with ef_construction 64 was 0.970 at ef_search 320 and 0.995 at 500; with 128, 0.997 and 1.
    // {2} is CONCURRENTLY or nothing.
    private const string CreateSql = """
        CREATE INDEX {2} {0}_hnsw ON {0} USING hnsw (embedding {1}_cosine_ops) WITH (m = 16, ef_construction = 128)
        """;

    /// <summary>
    /// Builds the index of a space once its table has enough rows: below, an exact scan is as fast, and loading costs less. While a tenth of
    /// that number of chunks is still to come, it is put off until the table has 40 times as many. Neither reads nor writes are blocked. Only one worker
    /// builds an index at a time.
    /// </summary>
    /// <param name="space">The space.</param>
    /// <param name="minRows">Rows from which on the index is worth it.</param>
    /// <param name="maintenanceMemory">
    /// <c>maintenance_work_mem</c> of the build, for instance <c>512MB</c>; null: the server's, or what the graph needs up to a quarter of the memory that
    /// the server's machine has available, where that can be read.
    /// </param>
    /// <param name="warn">Gets what is not as it should be, before the build begins: a sentence that says what to set.</param>
    /// <param name="cancellationToken">Cancels; an index that is half built is dropped by the next call.</param>
    /// <returns>How the index was built; null when none was.</returns>
    public async Task<HnswBuildPlan?> EnsureAsync(
        SpaceRow space, int minRows, string? maintenanceMemory, Action<string> warn, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        if (space.Dimensions > MaxDimensions
            || await StateAsync(space, cancellationToken) is 1 or 2
            || !await IsWorthItAsync(space, minRows, cancellationToken))
        {
            return null;
        }

        // The lock belongs to a transaction of its own, because CREATE INDEX CONCURRENTLY cannot run in one.
        await using var guard = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await guard.BeginTransactionAsync(cancellationToken);
        await using (var tryLock = new NpgsqlCommand(LockSql, guard) { Parameters = { new() { Value = space.SpaceId } } })
        {
            if (!(bool)(await tryLock.ExecuteScalarAsync(cancellationToken))!)
            {
                return null;
            }
        }

        await using (var stayIdle = new NpgsqlCommand(StayIdleSql, guard))
        {
            await stayIdle.ExecuteNonQueryAsync(cancellationToken);
        }

        var state = await StateAsync(space, cancellationToken);
        if (state is 1 or 2)
        {
            return null;
        }

        var builder = new HnswBuilder(dataSource, space, warn);
        if (state == 3)
        {
            await builder.DropAsync(cancellationToken);
        }

        var (plan, resources) = await PlanAsync(space, maintenanceMemory, cancellationToken);
        foreach (var warning in plan.Warnings)
        {
            warn(warning);
        }

        return await builder.BuildAsync(plan, resources, cancellationToken);
    }

    /// <summary>Whether the index of a space is there and PostgreSQL uses it.</summary>
    public async Task<bool> IsValidAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        return await StateAsync(space, cancellationToken) == 1;
    }

    /// <summary>The statement that builds an index with the parameters of all our indexes.</summary>
    internal static string CreateStatement(string table, string type, bool concurrently) =>
        string.Format(null, CreateSql, table, type, concurrently ? "CONCURRENTLY" : "");

    private async Task<(HnswBuildPlan Plan, BuildResources Resources)> PlanAsync(
        SpaceRow space, string? maintenanceMemory, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var count = new NpgsqlCommand(string.Format(null, CountSql, space.VectorTable), connection) { CommandTimeout = 0 };
        var rows = (long)(await count.ExecuteScalarAsync(cancellationToken))!;
        long? memory = null;
        if (maintenanceMemory is not null)
        {
            await using var size = new NpgsqlCommand(SizeSql, connection) { Parameters = { new() { Value = maintenanceMemory } } };
            memory = (long)(await size.ExecuteScalarAsync(cancellationToken))!;
        }

        var resources = await BuildResourceReader.ReadAsync(connection, cancellationToken);
        return (HnswBuildPlan.Make(rows, space.Dimensions, space.VectorType == "halfvec" ? 2 : 4, memory, resources), resources);
    }

    private async Task<int> StateAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(StateSql);
        command.Parameters.Add(new() { Value = space.VectorTable + "_hnsw" });
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
