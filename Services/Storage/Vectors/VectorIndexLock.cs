using Npgsql;

namespace RagPlatform.Storage;

/// <summary>
/// Lets one process at a time build or drop indexes of a space's table. A concurrent build that is under way waits for all older snapshots at its
/// end, also for that of a second one, which waits for the lock on the table that the first one has: PostgreSQL ends such a deadlock by giving
/// up the build that was nearly done.
/// </summary>
internal sealed class VectorIndexLock : IAsyncDisposable
{
    private const string LockSql = $"SELECT pg_try_advisory_xact_lock({Locks.IndexBuilds}, $1)";

    // The transaction that holds the lock is idle as long as the build runs. Being a statement without snapshot, this also lets go of the
    // one before, whose snapshot the build would wait for.
    private const string StayIdleSql = "SET LOCAL idle_in_transaction_session_timeout = 0";

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;

    private VectorIndexLock(NpgsqlConnection connection, NpgsqlTransaction transaction) => (_connection, _transaction) = (connection, transaction);

    /// <summary>Takes the lock, or returns null when somebody has it. It belongs to a transaction of its own, because what is concurrent cannot run in one.</summary>
    public static async Task<VectorIndexLock?> TryTakeAsync(NpgsqlDataSource dataSource, SpaceRow space, CancellationToken cancellationToken)
    {
        var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        VectorIndexLock? taken = null;
        try
        {
            var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await using var tryLock = new NpgsqlCommand(LockSql, connection) { Parameters = { new() { Value = space.SpaceId } } };
            if ((bool)(await tryLock.ExecuteScalarAsync(cancellationToken))!)
            {
                await using var stay = new NpgsqlCommand(StayIdleSql, connection);
                await stay.ExecuteNonQueryAsync(cancellationToken);
                taken = new(connection, transaction);
            }

            return taken;
        }
        finally
        {
            if (taken is null)
            {
                await connection.DisposeAsync();
            }
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
