using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>What the durable cache of vectors holds.</summary>
/// <param name="Entries">Vectors, estimated by PostgreSQL's statistics.</param>
/// <param name="Bytes">Size on disk, with index.</param>
/// <param name="Oldest">When the oldest vector was written; null when there is none.</param>
public sealed record EmbeddingCacheSize(long Entries, long Bytes, DateTimeOffset? Oldest);

/// <summary>A vector of the durable cache, still in its encoded form.</summary>
/// <param name="TextHash">SHA-256 of the text as embedded, 32 bytes.</param>
/// <param name="Value">Header and floats.</param>
public readonly record struct EmbeddingCacheRow(byte[] TextHash, byte[] Value);

/// <summary>The durable cache of vectors: survives every restart and a flush of Valkey. It holds hashes of texts, never texts.</summary>
public sealed class EmbeddingCacheStore(NpgsqlDataSource dataSource)
{
    private const string FindSql = "SELECT text_hash, value FROM embedding_cache WHERE space = $1 AND text_hash = ANY ($2)";

    private const string AddSql = """
        INSERT INTO embedding_cache (space, text_hash, value)
        SELECT $1, h, v FROM unnest($2, $3) AS rows (h, v)
        ON CONFLICT (space, text_hash) DO NOTHING
        """;

    // A lost vector is computed again: nobody waits for the disk.
    private const string AsynchronousCommitSql = "SET LOCAL synchronous_commit = off";

    private const string DeleteSql = "DELETE FROM embedding_cache WHERE space = $1 AND text_hash = ANY ($2)";

    private const string DeleteSpaceSql = """
        DELETE FROM embedding_cache WHERE ctid = ANY (ARRAY(SELECT ctid FROM embedding_cache WHERE space = $1 LIMIT $2))
        """;

    private const string DeleteOldSql = """
        DELETE FROM embedding_cache WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM embedding_cache WHERE created_at < $1 AND ($2 = '' OR space = $2) ORDER BY created_at LIMIT $3))
        """;

    private const string DeleteBetweenSql = """
        DELETE FROM embedding_cache WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM embedding_cache WHERE created_at BETWEEN now() - $2 AND now() - $3 AND space = ANY ($1) LIMIT $4))
        """;

    private const string SizeSql = """
        SELECT greatest(reltuples, 0)::bigint, pg_total_relation_size(oid), (SELECT min(created_at) FROM embedding_cache)
        FROM pg_class WHERE oid = 'embedding_cache'::regclass
        """;

    // In the order of the primary key, which alone is read when the table is vacuumed.
    private const string KeysSql =
        "SELECT space, text_hash FROM embedding_cache WHERE (space, text_hash) > ($1, $2) ORDER BY space, text_hash LIMIT $3";

    private const string SnapshotSql = "SELECT pg_current_snapshot()::text";

    // What the snapshot before did not see, each row once, however long its transaction took to commit. The bounds are those of the index; the upper one
    // leaves out what a restored dump says of transactions of another server.
    private const string AddedSql = """
        SELECT space, text_hash FROM embedding_cache
        WHERE added_by >= pg_snapshot_xmin($1::pg_snapshot) AND added_by < pg_snapshot_xmax(pg_current_snapshot())
          AND NOT pg_visible_in_snapshot(added_by, $1::pg_snapshot)
        """;

    private const string CountSql = "SELECT count(*) FROM (SELECT 1 FROM embedding_cache LIMIT 100000) AS few";

    /// <summary>The vectors of a space that are there, in no order.</summary>
    /// <param name="space">The space's id.</param>
    /// <param name="textHashes">SHA-256 of texts, 32 bytes each.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyList<EmbeddingCacheRow>> FindAsync(string space, byte[][] textHashes, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(FindSql);

        // The caller's token is the timeout. Npgsql's own would ask a paused server to cancel, on a thread of the pool, and wait there.
        command.CommandTimeout = 0;
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = space });
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = textHashes, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<EmbeddingCacheRow>(textHashes.Length);
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(new(reader.GetFieldValue<byte[]>(0), reader.GetFieldValue<byte[]>(1)));
        }

        return rows;
    }

    /// <summary>Reads a page of the keys of all vectors.</summary>
    /// <param name="space">The space of the last key of the page before; empty at first.</param>
    /// <param name="textHash">The hash of that key; empty at first.</param>
    /// <param name="limit">Keys, at most.</param>
    /// <param name="each">Gets space and hash of each key, in order.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>How many there were; fewer than <paramref name="limit"/> on the last page.</returns>
    public async Task<int> ReadKeysAsync(string space, byte[] textHash, int limit, Action<string, byte[]> each, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(KeysSql);
        command.Parameters.Add(new() { Value = space });
        command.Parameters.Add(new() { Value = textHash });
        command.Parameters.Add(new() { Value = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await ReadKeysAsync(reader, each, cancellationToken);
    }

    /// <summary>Reads the keys of vectors that were added since a snapshot, each about once.</summary>
    /// <param name="since">The snapshot that was returned the last time; null for none: then only one is taken.</param>
    /// <param name="each">Gets space and hash of each key, in no order.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>A snapshot that sees no more than what was read.</returns>
    public async Task<string> ReadAddedAsync(string? since, Action<string, byte[]> each, CancellationToken cancellationToken)
    {
        await using var batch = dataSource.CreateBatch();
        batch.BatchCommands.Add(new(SnapshotSql));
        if (since is not null)
        {
            batch.BatchCommands.Add(new(AddedSql) { Parameters = { new() { Value = since } } });
        }

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var snapshot = reader.GetString(0);
        await reader.NextResultAsync(cancellationToken);
        await ReadKeysAsync(reader, each, cancellationToken);
        return snapshot;
    }

    /// <summary>Adds vectors; those that are there already stay as they are.</summary>
    /// <param name="space">The space's id.</param>
    /// <param name="rows">The vectors, each hash at most once.</param>
    /// <param name="cancellationToken">Cancels; nothing is half written.</param>
    public async Task AddAsync(string space, IReadOnlyCollection<EmbeddingCacheRow> rows, CancellationToken cancellationToken)
    {
        // In the order of the key: two writers of the same vectors then wait for each other, and never in a circle.
        var ordered = rows.OrderBy(row => row.TextHash, ByteOrder.Instance).ToList();
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection) { Timeout = 10 };
        batch.BatchCommands.Add(new(AsynchronousCommitSql));
        batch.BatchCommands.Add(new(AddSql)
        {
            Parameters =
            {
                new NpgsqlParameter<string> { TypedValue = space },
                Bytes([.. ordered.Select(row => row.TextHash)]),
                Bytes([.. ordered.Select(row => row.Value)]),
            },
        });
        await batch.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Removes vectors.</summary>
    /// <returns>How many were there.</returns>
    public async Task<int> DeleteAsync(string space, byte[][] textHashes, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(DeleteSql);
        command.Parameters.Add(new() { Value = space });
        command.Parameters.Add(Bytes(textHashes));
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>One step of removing all vectors of a space.</summary>
    /// <param name="space">The space's id.</param>
    /// <param name="limit">Vectors, at most.</param>
    /// <param name="cancellationToken">Cancels the step.</param>
    /// <returns>Vectors removed; fewer than <paramref name="limit"/> when none is left.</returns>
    public async Task<int> DeleteSpaceAsync(string space, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(DeleteSpaceSql);
        command.Parameters.Add(new() { Value = space });
        command.Parameters.Add(new() { Value = limit });
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>One step of removing vectors that were written before a point in time.</summary>
    /// <param name="before">The point.</param>
    /// <param name="space">The space's id; empty for all.</param>
    /// <param name="limit">Vectors, at most.</param>
    /// <param name="cancellationToken">Cancels the step.</param>
    /// <returns>Vectors removed; fewer than <paramref name="limit"/> when none is left.</returns>
    public async Task<int> DeleteOlderAsync(DateTimeOffset before, string space, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(DeleteOldSql);
        command.Parameters.Add(new() { Value = before.ToUniversalTime() });
        command.Parameters.Add(new() { Value = space });
        command.Parameters.Add(new() { Value = limit });
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>One step of removing vectors that were written between two moments.</summary>
    /// <param name="spaces">Ids of spaces.</param>
    /// <param name="since">How long ago the first moment was.</param>
    /// <param name="until">How long ago the last moment was; below zero for one to come.</param>
    /// <param name="limit">Vectors, at most.</param>
    /// <param name="cancellationToken">Cancels the step.</param>
    /// <returns>Vectors removed; fewer than <paramref name="limit"/> when none is left.</returns>
    public async Task<int> DeleteBetweenAsync(string[] spaces, TimeSpan since, TimeSpan until, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(DeleteBetweenSql);
        command.Parameters.Add(new() { Value = spaces });
        command.Parameters.Add(new() { Value = since });
        command.Parameters.Add(new() { Value = until });
        command.Parameters.Add(new() { Value = limit });
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>How much there is. Exact up to 100,000 entries, estimated beyond.</summary>
    public async Task<EmbeddingCacheSize> MeasureAsync(CancellationToken cancellationToken)
    {
        await using var batch = dataSource.CreateBatch();
        batch.BatchCommands.Add(new(SizeSql));
        batch.BatchCommands.Add(new(CountSql));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var size = new EmbeddingCacheSize(reader.GetInt64(0), reader.GetInt64(1), reader.IsDBNull(2) ? null : reader.GetFieldValue<DateTimeOffset>(2));
        await reader.NextResultAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var counted = reader.GetInt64(0);
        return size with { Entries = counted < 100_000 ? counted : Math.Max(size.Entries, counted) };
    }

    private static async Task<int> ReadKeysAsync(NpgsqlDataReader reader, Action<string, byte[]> each, CancellationToken cancellationToken)
    {
        var count = 0;
        for (; await reader.ReadAsync(cancellationToken); count++)
        {
            each(reader.GetString(0), reader.GetFieldValue<byte[]>(1));
        }

        return count;
    }

    private static NpgsqlParameter<byte[][]> Bytes(byte[][] values) => new() { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea };

    private sealed class ByteOrder : IComparer<byte[]>
    {
        public static ByteOrder Instance { get; } = new();

        public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
    }
}
