using Npgsql;

namespace RagPlatform.Storage;

/// <summary>How texts of a space's documents have been counted lately.</summary>
/// <param name="SpaceId">The space.</param>
/// <param name="Characters">Their characters.</param>
/// <param name="Estimated">Their tokens, as they were estimated.</param>
/// <param name="Counted">Their tokens, as the provider counted them.</param>
public sealed record TokenRatioRow(int SpaceId, double Characters, double Estimated, double Counted);

/// <summary>What providers counted, against what was estimated.</summary>
public sealed class TokenRatioStore(NpgsqlDataSource dataSource)
{
    // Half of the weight is of the last 500,000 tokens.
    private const string AddSql = """
        INSERT INTO token_ratios AS t (space_id, characters, estimated, counted)
        SELECT s.space_id, $2, $3, $4 FROM spaces s WHERE s.space_id = $1
        ON CONFLICT (space_id) DO UPDATE
        SET characters = t.characters * power(0.5, least(excluded.counted / 500000, 1000)) + excluded.characters,
            estimated = t.estimated * power(0.5, least(excluded.counted / 500000, 1000)) + excluded.estimated,
            counted = t.counted * power(0.5, least(excluded.counted / 500000, 1000)) + excluded.counted,
            updated_at = now()
        """;

    private const string ListSql = "SELECT space_id, characters, estimated, counted FROM token_ratios WHERE $1 = 0 OR space_id = $1";

    /// <summary>Adds what was counted since the last time. What was added before weighs less with each token.</summary>
    public async Task AddAsync(TokenRatioRow counted, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(counted);
        await using var command = dataSource.CreateCommand(AddSql);
        command.Parameters.Add(new() { Value = counted.SpaceId });
        command.Parameters.Add(new() { Value = counted.Characters });
        command.Parameters.Add(new() { Value = counted.Estimated });
        command.Parameters.Add(new() { Value = counted.Counted });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>What was counted of every space of which anything was.</summary>
    public Task<IReadOnlyList<TokenRatioRow>> ListAsync(CancellationToken cancellationToken) => ListAsync(0, cancellationToken);

    /// <summary>What was counted of a space, or null.</summary>
    public async Task<TokenRatioRow?> FindAsync(int spaceId, CancellationToken cancellationToken) =>
        (await ListAsync(spaceId, cancellationToken)).SingleOrDefault();

    private async Task<IReadOnlyList<TokenRatioRow>> ListAsync(int spaceId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = spaceId });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var ratios = new List<TokenRatioRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            ratios.Add(new(reader.GetInt32(0), reader.GetDouble(1), reader.GetDouble(2), reader.GetDouble(3)));
        }

        return ratios;
    }
}
