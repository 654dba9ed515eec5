using System.Security.Claims;

namespace RagPlatform.ServiceDefaults.Auth;

/// <summary>What an authenticated caller is.</summary>
public static class AuthClaims
{
    private const string AdminRole = "rag-admin";
    private const string WorkspaceClaim = "rag:workspace";

    /// <summary>Whether the caller holds the admin key.</summary>
    public static bool IsAdmin(this ClaimsPrincipal caller) => caller.IsInRole(AdminRole);

    /// <summary>The public id of the caller's key, or <see langword="null"/> for a caller without one.</summary>
    public static string? FindKeyId(this ClaimsPrincipal caller) =>
        caller.Identity is { IsAuthenticated: true } identity ? identity.Name : null;

    /// <summary>The workspace of the caller's key; <see langword="null"/> for an admin.</summary>
    public static string? FindWorkspace(this ClaimsPrincipal caller) => caller.FindFirst(WorkspaceClaim)?.Value;

    /// <summary>Whether the caller may use a workspace.</summary>
    public static bool MayUse(this ClaimsPrincipal caller, string workspace) =>
        caller.IsAdmin() || string.Equals(caller.FindWorkspace(), workspace, StringComparison.Ordinal);

    internal static ClaimsPrincipal Admin(string keyId) => Create(keyId, new Claim(ClaimTypes.Role, AdminRole));

    internal static ClaimsPrincipal Workspace(ApiKeyGrant grant) => Create(grant.KeyId, new Claim(WorkspaceClaim, grant.Workspace));

    private static ClaimsPrincipal Create(string keyId, Claim claim) =>
        new(new ClaimsIdentity([new Claim(ClaimTypes.Name, keyId), claim], AuthExtensions.Scheme));
}
