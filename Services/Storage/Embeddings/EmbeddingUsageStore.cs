using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>What a workspace used of a model on a day.</summary>
/// <param name="Workspace">The workspace's name; empty when the caller named none.</param>
/// <param name="Day">The day, UTC.</param>
/// <param name="KeyId">The key; empty for the admin's.</param>
/// <param name="Model">The model's name.</param>
/// <param name="Tier">Where the vectors came from: <c>l1</c>, <c>l2</c>, <c>l3</c>, <c>joined</c> or <c>source</c>.</param>
/// <param name="Requests">Requests that got at least one text from this tier.</param>
/// <param name="Texts">Texts.</param>
/// <param name="Tokens">Tokens of them.</param>
/// <param name="MicroDollars">Millionths of a US dollar: spent in tier <c>source</c>, saved in the others.</param>
public sealed record EmbeddingUsageRow(
    string Workspace, DateOnly Day, string KeyId, string Model, string Tier, long Requests, long Texts, long Tokens, decimal MicroDollars);

/// <summary>Tokens and money, per workspace, key, model, day and tier.</summary>
public sealed class EmbeddingUsageStore(NpgsqlDataSource dataSource)
{
    private const string AddSql = """
        INSERT INTO embedding_usage AS u (workspace, day, key_id, model, tier, requests, texts, tokens, micro_dollars)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS rows (workspace, day, key_id, model, tier, requests, texts, tokens, micro)
        ORDER BY workspace, day, key_id, model, tier
        ON CONFLICT (workspace, day, key_id, model, tier) DO UPDATE
        SET requests = u.requests + excluded.requests, texts = u.texts + excluded.texts, tokens = u.tokens + excluded.tokens,
            micro_dollars = u.micro_dollars + excluded.micro_dollars
        """;

    private const string ListSql = """
        SELECT workspace, day, key_id, model, tier, requests, texts, tokens, micro_dollars
        FROM embedding_usage WHERE ($1::text IS NULL OR workspace = $1) AND day BETWEEN $2 AND $3
        ORDER BY day, workspace, key_id, model, tier LIMIT 10000
        """;

    /// <summary>Adds to what is there already, in one transaction.</summary>
    public async Task AddAsync(IReadOnlyList<EmbeddingUsageRow> rows, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(AddSql);
        command.Parameters.Add(new() { Value = rows.Select(row => row.Workspace).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.Day).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.KeyId).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.Model).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.Tier).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.Requests).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.Texts).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.Tokens).ToArray() });
        command.Parameters.Add(new() { Value = rows.Select(row => row.MicroDollars).ToArray() });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>What was used, by day; at most 10,000 rows.</summary>
    /// <param name="workspace">One workspace; null for all.</param>
    /// <param name="from">The first day, UTC.</param>
    /// <param name="to">The last day, UTC.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<IReadOnlyList<EmbeddingUsageRow>> ListAsync(string? workspace, DateOnly from, DateOnly to, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = (object?)workspace ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = from });
        command.Parameters.Add(new() { Value = to });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<EmbeddingUsageRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(new(
                reader.GetString(0),
                reader.GetFieldValue<DateOnly>(1),
                reader.GetString(2),
                reader.GetString(3),
                reader.GetString(4),
                reader.GetInt64(5),
                reader.GetInt64(6),
                reader.GetInt64(7),
                reader.GetDecimal(8)));
        }

        return rows;
    }
}
