using Npgsql;

namespace RagPlatform.Storage;

/// <summary>How often a workspace asked for a query, by hash.</summary>
/// <param name="Workspace">The workspace's name.</param>
/// <param name="Space">The space's id.</param>
/// <param name="TextHash">SHA-256 of the query as embedded, 32 bytes.</param>
/// <param name="Uses">How often.</param>
public sealed record EmbeddingQueryRow(string Workspace, string Space, byte[] TextHash, long Uses);

/// <summary>The most frequent queries of workspaces. Only hashes: what was asked cannot be read here.</summary>
public sealed class EmbeddingQueryStore(NpgsqlDataSource dataSource)
{
    private const string AddSql = """
        INSERT INTO embedding_queries AS q (workspace, space, text_hash, uses)
        SELECT * FROM unnest($1, $2, $3, $4) AS rows (workspace, space, text_hash, uses) ORDER BY workspace, space, text_hash
        ON CONFLICT (workspace, space, text_hash) DO UPDATE SET uses = q.uses + excluded.uses, last_used = current_date
        """;

    private const string TopSql = """
        SELECT workspace, space, text_hash, uses FROM embedding_queries
        WHERE $1::text IS NULL OR workspace = $1 ORDER BY uses DESC, last_used DESC LIMIT $2
        """;

    private const string PruneSql = """
        DELETE FROM embedding_queries WHERE last_used < current_date - $1 OR (uses = 1 AND last_used < current_date - 1)
        """;

    /// <summary>Adds to what is there already.</summary>
    public async Task AddAsync(IReadOnlyList<EmbeddingQueryRow> rows, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(AddSql);
        command.Parameters.Add(new() { Value = rows.Select(row => row.Workspace).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.Space).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.TextHash).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.Uses).ToArray() });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The most frequent queries, the most frequent first.</summary>
    /// <param name="workspace">One workspace; null for all.</param>
    /// <param name="limit">Queries, at most.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyList<EmbeddingQueryRow>> ListTopAsync(string? workspace, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(TopSql);
        command.Parameters.Add(new() { Value = (object?)workspace ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<EmbeddingQueryRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(new(reader.GetString(0), reader.GetString(1), reader.GetFieldValue<byte[]>(2), reader.GetInt64(3)));
        }

        return rows;
    }

    /// <summary>Forgets queries that were not asked for some days, and those of yesterday that were asked once.</summary>
    public async Task<int> PruneAsync(int days, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(PruneSql);
        command.Parameters.Add(new() { Value = days });
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
