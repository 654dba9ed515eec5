using System.Buffers.Text;
using System.Globalization;
using System.Security.Claims;
using System.Security.Cryptography;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Workspaces;

/// <summary>
/// Keys of workspaces. The id that a key has among claims is <c>workspace id.key id</c>, so that a key which is still remembered cannot open
/// another workspace that has got the name of its own.
/// </summary>
internal sealed class WorkspaceKeys(ApiKeyStore store) : IApiKeyStore
{
    /// <summary>What every secret begins with, so that scanners for leaked secrets can tell one.</summary>
    public const string Prefix = "rag_ws_";

    private const int SecretBytes = 32;

    /// <summary>A new secret: <see cref="Prefix"/> and 32 random bytes in base64url.</summary>
    public static string CreateSecret() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));

    /// <summary>The database's key of the workspace that the caller's key was made for; null for an admin.</summary>
    public static int? FindWorkspaceId(ClaimsPrincipal caller) =>
        !caller.IsAdmin() && caller.FindKeyId() is { } id ? int.Parse(id.AsSpan(0, id.IndexOf('.', StringComparison.Ordinal)), CultureInfo.InvariantCulture) : null;

    /// <inheritdoc />
    public async ValueTask<ApiKeyGrant?> FindAsync(ReadOnlyMemory<byte> keyHash, CancellationToken cancellationToken) =>
        await store.FindOwnerAsync(keyHash.ToArray(), cancellationToken) is { } owner
            ? new(owner.PublicId, owner.WorkspaceName)
            : null;
}
