using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Workspaces;

/// <summary>API keys of a workspace.</summary>
internal static class KeyEndpoints
{
    /// <summary>Maps them on the group <c>/v1/workspaces/{workspace}</c>.</summary>
    public static RouteGroupBuilder MapKeys(this RouteGroupBuilder group)
    {
        var keys = group.MapGroup("/keys").RequireAuthorization(AuthExtensions.AdminPolicy).WithTags("Keys");
        keys.MapPost("", CreateAsync)
            .WithName("CreateApiKey")
            .WithSummary("Create a key")
            .WithDescription("The answer is the only one that carries the secret: it is stored as SHA-256.")
            .WithMetadata(new RequestExampleAttribute("""{"name":"website"}"""));
        keys.MapGet("", ListAsync)
            .WithName("ListApiKeys")
            .WithSummary("List keys, oldest first, without their secrets");
        keys.MapDelete("/{keyId:long}", DeleteAsync)
            .WithName("DeleteApiKey")
            .WithSummary("Revoke a key")
            .WithDescription("A service that has just seen the key may accept it for some seconds more (Auth:KeyCacheDuration).");
        return group;
    }

    internal static async Task<Created<ApiKey>> CreateAsync(
        CurrentWorkspace workspace, ApiKeyCreate key, ApiKeyStore keys, CancellationToken cancellationToken)
    {
        var secret = WorkspaceKeys.CreateSecret();
        var row = await keys.CreateAsync(workspace.Id, key.Name, AdminKey.Hash(secret), cancellationToken);
        return TypedResults.Created(
            $"/v1/workspaces/{workspace.Row.Name}/keys/{row.KeyId}", new ApiKey(row.KeyId, row.Name, secret, row.CreatedAt));
    }

    internal static async Task<Ok<Page<ApiKey>>> ListAsync(CurrentWorkspace workspace, ApiKeyStore keys, CancellationToken cancellationToken)
    {
        var rows = await keys.ListAsync(workspace.Id, cancellationToken);
        return TypedResults.Ok(new Page<ApiKey>([.. rows.Select(row => new ApiKey(row.KeyId, row.Name, null, row.CreatedAt))], null));
    }

    internal static async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(
        CurrentWorkspace workspace, long keyId, ApiKeyStore keys, CancellationToken cancellationToken) =>
        await keys.DeleteAsync(workspace.Id, keyId, cancellationToken)
            ? TypedResults.NoContent()
            : ApiProblems.NotFound("key", keyId.ToString(System.Globalization.CultureInfo.InvariantCulture));
}
