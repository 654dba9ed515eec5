using Npgsql;

namespace RagPlatform.Storage;

/// <summary>An API key of a workspace, without its secret.</summary>
public sealed record ApiKeyRow(long KeyId, string Name, DateTimeOffset CreatedAt);

/// <summary>The workspace that a key opens. The name alone is not enough: it may be given to another workspace later.</summary>
public sealed record ApiKeyOwner(long KeyId, int WorkspaceId, string WorkspaceName)
{
    /// <summary>
    /// <c>workspace id.key id</c>: names the key in claims and in accounts, and its workspace for good, also when another workspace gets the name.
    /// </summary>
    public string PublicId => string.Create(null, $"{WorkspaceId}.{KeyId}");
}

/// <summary>API keys. Only SHA-256 of a secret is stored.</summary>
public sealed class ApiKeyStore(NpgsqlDataSource dataSource)
{
    private const string CreateSql = """
        INSERT INTO api_keys (workspace_id, name, secret_hash)
        SELECT workspace_id, $2, $3 FROM workspaces WHERE workspace_id = $1 AND deleted_at IS NULL
        RETURNING key_id, name, created_at
        """;

    private const string ListSql = "SELECT key_id, name, created_at FROM api_keys WHERE workspace_id = $1 ORDER BY key_id LIMIT 1000";

    private const string DeleteSql = "DELETE FROM api_keys WHERE workspace_id = $1 AND key_id = $2";

    private const string FindOwnerSql = """
        SELECT k.key_id, w.workspace_id, w.name FROM api_keys k JOIN workspaces w USING (workspace_id) WHERE k.secret_hash = $1 AND w.deleted_at IS NULL
        """;

    /// <summary>Stores a key.</summary>
    /// <param name="workspaceId">The workspace that it opens.</param>
    /// <param name="name">For people.</param>
    /// <param name="secretHash">SHA-256 of the secret, 32 bytes.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    /// <exception cref="WorkspaceGoneException">The workspace was deleted.</exception>
    public async Task<ApiKeyRow> CreateAsync(int workspaceId, string name, byte[] secretHash, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(CreateSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = name });
        command.Parameters.Add(new() { Value = secretHash });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? Read(reader) : throw new WorkspaceGoneException();
    }

    /// <summary>The keys of a workspace, oldest first, at most 1,000.</summary>
    public async Task<IReadOnlyList<ApiKeyRow>> ListAsync(int workspaceId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(ListSql);
        command.Parameters.Add(new() { Value = workspaceId });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var keys = new List<ApiKeyRow>();
        while (await reader.ReadAsync(cancellationToken))
        {
            keys.Add(Read(reader));
        }

        return keys;
    }

    /// <summary>Revokes a key; false when the workspace has none of that id.</summary>
    public async Task<bool> DeleteAsync(int workspaceId, long keyId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(DeleteSql);
        command.Parameters.Add(new() { Value = workspaceId });
        command.Parameters.Add(new() { Value = keyId });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>What a key opens, or null when it is unknown or its workspace deleted.</summary>
    /// <param name="secretHash">SHA-256 of the secret, 32 bytes.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    public async Task<ApiKeyOwner?> FindOwnerAsync(byte[] secretHash, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(FindOwnerSql);
        command.Parameters.Add(new() { Value = secretHash });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? new(reader.GetInt64(0), reader.GetInt32(1), reader.GetString(2)) : null;
    }

    private static ApiKeyRow Read(NpgsqlDataReader reader) =>
        new(reader.GetInt64(0), reader.GetString(1), reader.GetFieldValue<DateTimeOffset>(2));
}
