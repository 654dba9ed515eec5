using Npgsql;
using NpgsqlTypes;

namespace RagPlatform.Storage;

/// <summary>A name that stands for a model, or for two.</summary>
/// <param name="Alias">The name.</param>
/// <param name="Model">The model.</param>
/// <param name="OtherModel">The model of the other workspaces; null for none.</param>
/// <param name="OtherShare">The share of workspaces that get the other model, 0 to 1.</param>
public sealed record EmbeddingAliasRow(string Alias, string Model, string? OtherModel, float OtherShare);

/// <summary>What is known of an endpoint of a model.</summary>
/// <param name="Space">The model's space at its own dimensions.</param>
/// <param name="Provider">The endpoint's name.</param>
/// <param name="Impostor">Whether it was found to serve another model.</param>
public sealed record EmbeddingEndpointCheck(string Space, string Provider, bool Impostor);

/// <summary>Vectors that have to go from every cache.</summary>
/// <param name="PurgeId">Its key in the database.</param>
/// <param name="Space">The model's space at its own dimensions.</param>
/// <param name="Since">How long ago the first of them may have been written.</param>
/// <param name="Found">How long ago that was found out.</param>
/// <param name="Done">Whether the tiers that replicas share are rid of them.</param>
public sealed record EmbeddingPurge(long PurgeId, string Space, TimeSpan Since, TimeSpan Found, bool Done);

/// <summary>Models and aliases that were added at run time, and the vectors by which an endpoint is recognised.</summary>
public sealed class EmbeddingModelStore(NpgsqlDataSource dataSource)
{
    private const string ListModelsSql = "SELECT name, settings::text FROM embedding_models ORDER BY name LIMIT 1000";

    private const string PutModelSql = """
        INSERT INTO embedding_models (name, settings) VALUES ($1, $2::jsonb)
        ON CONFLICT (name) DO UPDATE SET settings = excluded.settings, updated_at = now()
        """;

    private const string DeleteModelSql = "DELETE FROM embedding_models WHERE name = $1";

    private const string ListAliasesSql = "SELECT alias, model, other_model, other_share FROM embedding_aliases ORDER BY alias LIMIT 1000";

    private const string PutAliasSql = """
        INSERT INTO embedding_aliases (alias, model, other_model, other_share) VALUES ($1, $2, $3, $4)
        ON CONFLICT (alias) DO UPDATE
        SET model = excluded.model, other_model = excluded.other_model, other_share = excluded.other_share, updated_at = now()
        """;

    private const string DeleteAliasSql = "DELETE FROM embedding_aliases WHERE alias = $1";

    private const string EnsureCanarySql = """
        WITH added AS (
            INSERT INTO embedding_canaries (space, vectors) VALUES ($1, $2) ON CONFLICT (space) DO NOTHING RETURNING vectors
        )
        SELECT vectors FROM added UNION ALL SELECT vectors FROM embedding_canaries WHERE space = $1 LIMIT 1
        """;

    private const string FindCanarySql = "SELECT vectors FROM embedding_canaries WHERE space = $1";

    private const string DeleteCanarySql = "DELETE FROM embedding_canaries WHERE space = $1";

    private const string PutGoodSql = """
        INSERT INTO embedding_endpoint_checks AS c (space, provider, good_at) VALUES ($1, $2, now() - $3)
        ON CONFLICT (space, provider) DO UPDATE SET good_at = greatest(c.good_at, excluded.good_at), impostor_since = NULL
        """;

    // Who finds it out first has what it answered since its last good check removed: since the first vectors of the space when there was none.
    private const string PutImpostorSql = """
        WITH known AS (
            SELECT max(good_at) AS good_at FROM embedding_endpoint_checks WHERE space = $1 AND provider = $2
        ), found AS (
            INSERT INTO embedding_endpoint_checks AS c (space, provider, impostor_since) VALUES ($1, $2, now())
            ON CONFLICT (space, provider) DO UPDATE SET impostor_since = now() WHERE c.impostor_since IS NULL
            RETURNING space
        ), forgotten AS (
            DELETE FROM embedding_purges WHERE done AND created_at < now() - interval '1 day'
        )
        INSERT INTO embedding_purges (space, since)
        SELECT f.space, coalesce(k.good_at, (SELECT created_at FROM embedding_canaries WHERE space = $1), '-infinity')
        FROM found f CROSS JOIN known k
        """;

    private const string ListChecksSql = "SELECT space, provider, impostor_since IS NOT NULL FROM embedding_endpoint_checks LIMIT 10000";

    private const string ListPurgesSql = """
        SELECT purge_id, space, now() - greatest(since, now() - interval '10 years'), now() - created_at, done FROM embedding_purges
        WHERE NOT done OR created_at > now() - interval '1 hour' ORDER BY purge_id LIMIT 1000
        """;

    private const string FinishPurgeSql = "UPDATE embedding_purges SET done = true WHERE purge_id = $1";

    /// <summary>Notes that an endpoint served its model.</summary>
    /// <param name="space">The model's space at its own dimensions.</param>
    /// <param name="provider">The endpoint's name.</param>
    /// <param name="ago">How long ago it was asked.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    public async Task PutGoodAsync(string space, string provider, TimeSpan ago, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(PutGoodSql);
        command.Parameters.Add(new() { Value = space });
        command.Parameters.Add(new() { Value = provider });
        command.Parameters.Add(new() { Value = ago });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Notes that an endpoint serves another model, and asks all replicas to purge what it answered; once until it is good again.</summary>
    /// <param name="space">The model's space at its own dimensions.</param>
    /// <param name="provider">The endpoint's name.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    public async Task PutImpostorAsync(string space, string provider, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(PutImpostorSql);
        command.Parameters.Add(new() { Value = space });
        command.Parameters.Add(new() { Value = provider });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>What is known of endpoints, at most 10,000.</summary>
    public async Task<IReadOnlyList<EmbeddingEndpointCheck>> ListChecksAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListChecksSql);
        command.CommandTimeout = 5;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var checks = new List<EmbeddingEndpointCheck>();
        while (await reader.ReadAsync(cancellationToken))
        {
            checks.Add(new(reader.GetString(0), reader.GetString(1), reader.GetBoolean(2)));
        }

        return checks;
    }

    /// <summary>What has to be purged: all that is not done, and what was found in the last hour.</summary>
    public async Task<IReadOnlyList<EmbeddingPurge>> ListPurgesAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListPurgesSql);
        command.CommandTimeout = 5;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var purges = new List<EmbeddingPurge>();
        while (await reader.ReadAsync(cancellationToken))
        {
            purges.Add(new(reader.GetInt64(0), reader.GetString(1), reader.GetFieldValue<TimeSpan>(2), reader.GetFieldValue<TimeSpan>(3), reader.GetBoolean(4)));
        }

        return purges;
    }

    /// <summary>Notes that the tiers that replicas share are rid of what had to be purged.</summary>
    public async Task FinishPurgeAsync(long purgeId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(FinishPurgeSql);
        command.Parameters.Add(new() { Value = purgeId });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Models that were added at run time: name and settings as JSON; at most 1,000.</summary>
    public async Task<IReadOnlyList<(string Name, string Settings)>> ListModelsAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListModelsSql);
        command.CommandTimeout = 5;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var models = new List<(string, string)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            models.Add((reader.GetString(0), reader.GetString(1)));
        }

        return models;
    }

    /// <summary>Adds or changes a model.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="settings">Its settings, a JSON object.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    public async Task PutModelAsync(string name, string settings, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(PutModelSql);
        command.Parameters.Add(new() { Value = name });
        command.Parameters.Add(new() { Value = settings });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Removes a model that was added at run time; false when there is none of that name.</summary>
    public Task<bool> DeleteModelAsync(string name, CancellationToken cancellationToken) => DeleteAsync(DeleteModelSql, name, cancellationToken);

    /// <summary>The aliases, at most 1,000.</summary>
    public async Task<IReadOnlyList<EmbeddingAliasRow>> ListAliasesAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListAliasesSql);
        command.CommandTimeout = 5;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var aliases = new List<EmbeddingAliasRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            aliases.Add(new(reader.GetString(0), reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetString(2), reader.GetFloat(3)));
        }

        return aliases;
    }

    /// <summary>Adds or changes an alias.</summary>
    /// <exception cref="PostgresException">The share is not 0 to 1, or there is no other model for it (check violation).</exception>
    public async Task PutAliasAsync(EmbeddingAliasRow alias, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(PutAliasSql);
        command.Parameters.Add(new() { Value = alias.Alias });
        command.Parameters.Add(new() { Value = alias.Model });
        command.Parameters.Add(new() { Value = (object?)alias.OtherModel ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = alias.OtherShare });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Removes an alias; false when there is none of that name.</summary>
    public Task<bool> DeleteAliasAsync(string alias, CancellationToken cancellationToken) => DeleteAsync(DeleteAliasSql, alias, cancellationToken);

    /// <summary>The vectors by which a space's model is recognised, or null.</summary>
    public async Task<byte[]?> FindCanaryAsync(string space, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(FindCanarySql);
        command.Parameters.Add(new() { Value = space });
        return (byte[]?)await command.ExecuteScalarAsync(cancellationToken);
    }

    /// <summary>Stores the vectors by which a space's model is recognised, unless there are some.</summary>
    /// <param name="space">The space's id.</param>
    /// <param name="vectors">Little-endian 32-bit floats, one vector after another.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    /// <returns>Those that are stored now.</returns>
    public async Task<byte[]> EnsureCanaryAsync(string space, byte[] vectors, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(EnsureCanarySql);
        command.Parameters.Add(new() { Value = space });
        command.Parameters.Add(new() { Value = vectors });
        return (byte[]?)await command.ExecuteScalarAsync(cancellationToken) ?? vectors;
    }

    /// <summary>Forgets them: the next check stores new ones. False when there are none.</summary>
    public Task<bool> DeleteCanaryAsync(string space, CancellationToken cancellationToken) => DeleteAsync(DeleteCanarySql, space, cancellationToken);

    private async Task<bool> DeleteAsync(string sql, string name, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(sql);
        command.Parameters.Add(new() { Value = name });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }
}
