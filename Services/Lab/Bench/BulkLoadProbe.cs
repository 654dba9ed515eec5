using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Bench;

/// <summary>The least that a load of vectors takes, for benchmarks to compare indexing with: COPY into a bare table, then CREATE INDEX.</summary>
internal sealed class BulkLoadProbe(NpgsqlDataSource dataSource)
{
    // {0} is the table of a registered space: its columns, without keys, references and indexes.
    private const string CreateTableSql = "DROP TABLE IF EXISTS bulk_load_probe; CREATE TABLE bulk_load_probe (LIKE {0})";

    private const string CopySql = """
        COPY bulk_load_probe (workspace_id, chunk_id, document_key, content_hash, embedding) FROM STDIN (FORMAT BINARY)
        """;

    private const string DropSql = "DROP TABLE bulk_load_probe";

    /// <summary>Loads and indexes vectors as <see cref="VectorIndexStore"/> would index them, with the server's own settings. Nothing is left behind.</summary>
    /// <param name="space">The space whose table the bare table is like.</param>
    /// <param name="vectors">Vectors of the space's dimensions.</param>
    /// <param name="time">Measures.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>How long COPY with its commit, and CREATE INDEX, took.</returns>
    public async Task<(TimeSpan Copy, TimeSpan Index)> MeasureAsync(
        SpaceRow space, IReadOnlyList<float[]> vectors, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(space);
        ArgumentNullException.ThrowIfNull(vectors);
        ArgumentNullException.ThrowIfNull(time);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await ExecuteAsync(connection, string.Format(null, CreateTableSql, space.VectorTable), cancellationToken);
        try
        {
            var begin = time.GetTimestamp();
            var hash = new byte[16];
            await using (var copy = await connection.BeginBinaryImportAsync(CopySql, cancellationToken))
            {
                for (var i = 0; i < vectors.Count; i++)
                {
                    await copy.StartRowAsync(cancellationToken);
                    await copy.WriteAsync(1, cancellationToken);
                    await copy.WriteAsync((long)i, cancellationToken);
                    await copy.WriteAsync((long)i, cancellationToken);
                    await copy.WriteAsync(hash, cancellationToken);
                    await copy.WriteAsync(VectorValue.Of(space, vectors[i]), cancellationToken);
                }

                await copy.CompleteAsync(cancellationToken);
            }

            var copied = time.GetElapsedTime(begin);
            await ExecuteAsync(
                connection, VectorIndexStore.CreateStatement("bulk_load_probe", space.VectorType, concurrently: false), cancellationToken);
            return (copied, time.GetElapsedTime(begin) - copied);
        }
        finally
        {
            await ExecuteAsync(connection, DropSql, CancellationToken.None);
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
