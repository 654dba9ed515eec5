using System.Collections.Concurrent;
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

    // About how many chunks are still to come: tasks, as far as their documents are new to the space (a reindexed document brings no vectors), times
    // the chunks of some documents that are done.
    private const string BacklogSql = """
        SELECT (
            (SELECT count(*) FROM (SELECT FROM tasks WHERE space_id = $1 LIMIT 1000000) t)
            * coalesce((
                SELECT avg((x.document_key IS NULL)::int)
                FROM (SELECT workspace_id, document_id FROM tasks WHERE space_id = $1 LIMIT 500) t
                JOIN documents d USING (workspace_id, document_id)
                LEFT JOIN indexed_documents x ON x.workspace_id = d.workspace_id AND x.document_key = d.document_key AND x.space_id = $1), 0)
            * greatest(1, (SELECT avg(chunks) FROM (SELECT chunks FROM indexed_documents WHERE space_id = $1 LIMIT 1000) d))
        )::bigint
        """;

    // {0} is the table of a registered space.
    private const string RowsSql = "SELECT count(*) FROM (SELECT FROM {0} LIMIT $1) t";

    // Of the least rows, for chunks that wait and for those that came since the look before. While much is still coming in, an index would make
    // each row cost several times as much: it waits for the backlog to shrink to a tenth, but not for ever, since exact comparison gets slower with each row.
    private const int BacklogShare = 10;
    private const int PatienceFactor = 40;

    // Of the least rows: a backlog that is worth it to build an index anew after it, if it is also more than the table has.
    private const int DropFactor = 2;

    private const string CountSql = "SELECT count(*) FROM {0}";

    private const string SizeSql = "SELECT pg_size_bytes($1)";

    // See docs/decisions/0022-hnsw-built-with-256.md.
    // {0} index, {1} table, {2} expression, {3} its type; {4} is CONCURRENTLY or nothing.
    private const string CreateSql = """
        CREATE INDEX {4} {0} ON {1} USING hnsw ({2} {3}_cosine_ops) WITH (m = 16, ef_construction = 256)
        """;

    // By space: the rows that the look before counted.
    private readonly ConcurrentDictionary<int, long> _rows = [];

    /// <summary>
    /// Builds the index of a space once its table has enough rows: below, an exact scan is as fast, and loading costs less. While a tenth of
    /// that number of chunks is still to come, or came since the call before, it is put off until the table has 40 times as many. An index that
    /// is in the way of a load which more than doubles its table is dropped, and built after it, within the same limit. Neither reads nor
    /// writes are blocked. Only one worker works on an index at a time.
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
        if (space.Dimensions > MaxDimensions)
        {
            return null;
        }

        var state = await StateAsync(space, cancellationToken);
        var hasWork = state switch
        {
            1 => await IsInTheWayAsync(space, minRows, cancellationToken),
            2 => false,
            _ => await IsWorthItAsync(space, minRows, cancellationToken),
        };
        if (!hasWork)
        {
            return null;
        }

        await using var held = await VectorIndexLock.TryTakeAsync(dataSource, space, cancellationToken);
        if (held is null)
        {
            return null;
        }

        // Another worker may have been at it before.
        var builder = new HnswBuilder(dataSource, space, warn);
        if (await StateAsync(space, cancellationToken) is var now && now != state)
        {
            return null;
        }

        if (now == 1)
        {
            warn("Chunks to be loaded are more than the table has: the index is dropped and will be built after the load. Searches compare exactly meanwhile.");
            await builder.DropAsync(cancellationToken);
            return null;
        }

        if (now == 3)
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

    /// <summary>Whether the space has an index of the precision that is wanted, and still one of the other.</summary>
    public async Task<bool> HasObsoleteAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        return await StateAsync(space, cancellationToken) == 1
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

        await using var command = dataSource.CreateCommand("DROP INDEX CONCURRENTLY IF EXISTS " + space.IndexName(!space.WantsHalfIndex));
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(cancellationToken);
        return true;
    }

    /// <summary>The statement that builds an index with the parameters of all our indexes.</summary>
    internal static string CreateStatement(string table, string type, bool concurrently) =>
        string.Format(null, CreateSql, table + "_hnsw", table, "embedding", type, concurrently ? "CONCURRENTLY" : "");

    /// <summary>The statement that builds the index of a space, of the precision that it wants, beside reading and writing.</summary>
    internal static string CreateStatement(SpaceRow space)
    {
        var half = space.WantsHalfIndex;
        return string.Format(
            null, CreateSql, space.IndexName(half), space.VectorTable, space.IndexExpression(half), space.IndexType(half), "CONCURRENTLY");
    }

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
        return (HnswBuildPlan.Make(rows, space.Dimensions, space.IndexType(space.WantsHalfIndex) == "halfvec" ? 2 : 4, memory, resources), resources);
    }

    private Task<int> StateAsync(SpaceRow space, CancellationToken cancellationToken) =>
        StateAsync(space.IndexName(space.WantsHalfIndex), cancellationToken);

    private async Task<int> StateAsync(string index, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(StateSql);
        command.Parameters.Add(new() { Value = index });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task<bool> IsWorthItAsync(SpaceRow space, int minRows, CancellationToken cancellationToken)
    {
        var rows = await CountAsync(space, (long)minRows * PatienceFactor, cancellationToken);
        var little = Math.Max(1, minRows / BacklogShare);

        // Where the worker is faster than who loads, nothing waits, and yet the load goes on.
        var grown = rows - _rows.GetValueOrDefault(space.SpaceId, rows);
        _rows[space.SpaceId] = rows;
        return rows >= minRows
            && (rows == (long)minRows * PatienceFactor || (grown < little && await BacklogAsync(space, cancellationToken) < little));
    }

    private async Task<bool> IsInTheWayAsync(SpaceRow space, int minRows, CancellationToken cancellationToken)
    {
        var backlog = await BacklogAsync(space, cancellationToken);
        if (backlog < (long)minRows * DropFactor)
        {
            return false;
        }

        var rows = await CountAsync(space, (long)minRows * PatienceFactor, cancellationToken);
        return rows < (long)minRows * PatienceFactor && backlog > rows;
    }

    private async Task<long> BacklogAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(BacklogSql);
        command.Parameters.Add(new() { Value = space.SpaceId });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task<long> CountAsync(SpaceRow space, long most, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(string.Format(null, RowsSql, space.VectorTable));
        command.Parameters.Add(new() { Value = most });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
