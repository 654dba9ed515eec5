namespace RagPlatform.ServiceDefaults.Auth;

/// <summary>Finds workspace keys. Implemented over Storage by the services that accept them.</summary>
public interface IApiKeyStore
{
    /// <summary>Finds a key that is neither revoked nor expired.</summary>
    /// <param name="keyHash">The SHA-256 of the key (<see cref="AdminKey.Hash"/>), 32 bytes.</param>
    /// <param name="cancellationToken">Stops the lookup.</param>
    /// <returns>What the key allows, or <see langword="null"/> for a key that is unknown or no longer valid.</returns>
    /// <remarks>An exception means that nothing can be said: the caller is answered 503, never 401.</remarks>
    ValueTask<ApiKeyGrant?> FindAsync(ReadOnlyMemory<byte> keyHash, CancellationToken cancellationToken);
}

/// <summary>What a workspace key allows.</summary>
/// <param name="KeyId">The key's public id: what budgets, logs and metrics may carry.</param>
/// <param name="Workspace">The name of the one workspace that it opens.</param>
public sealed record ApiKeyGrant(string KeyId, string Workspace);
