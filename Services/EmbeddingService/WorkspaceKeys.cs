using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService;

/// <summary>Workspace keys, over Storage.</summary>
internal sealed class WorkspaceKeys(ApiKeyStore keys) : IApiKeyStore
{
    public async ValueTask<ApiKeyGrant?> FindAsync(ReadOnlyMemory<byte> keyHash, CancellationToken cancellationToken)
    {
        var workspace = await keys.FindWorkspaceAsync(keyHash.ToArray(), cancellationToken);
        return workspace is null ? null : new ApiKeyGrant("key_" + Convert.ToHexStringLower(keyHash.Span[..6]), workspace);
    }
}
