using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService;

/// <summary>Workspace keys, over Storage.</summary>
internal sealed class WorkspaceKeys(ApiKeyStore keys) : IApiKeyStore
{
    public async ValueTask<ApiKeyGrant?> FindAsync(ReadOnlyMemory<byte> keyHash, CancellationToken cancellationToken)
    {
        var owner = await keys.FindOwnerAsync(keyHash.ToArray(), cancellationToken);
        return owner is null ? null : new ApiKeyGrant(owner.PublicId, owner.WorkspaceName);
    }
}
