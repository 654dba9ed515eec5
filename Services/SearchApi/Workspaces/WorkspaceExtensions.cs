using Microsoft.Extensions.DependencyInjection.Extensions;
using RagPlatform.Contracts;
using RagPlatform.ServiceDefaults;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.SearchApi.Workspaces;

/// <summary>Composes the feature.</summary>
internal static class WorkspaceExtensions
{
    /// <summary>Adds what workspaces need: the cache, their keys, and the embedding service that knows the models.</summary>
    public static void AddWorkspaces(this WebApplicationBuilder builder)
    {
        var address = ServiceAddress.Get(builder.Configuration, "embedding-service");
        builder.Services.TryAddSingleton(services =>
            new EmbeddingGatewayClient(address, services.GetRequiredService<AdminKey>().Value ?? "authentication-disabled"));
        builder.Services.AddSingleton<EmbeddingModels>();
        builder.Services.AddSingleton<WorkspaceCache>();
        builder.Services.AddSingleton<IApiKeyStore, WorkspaceKeys>();
    }

    /// <summary>
    /// For a group with the route value <c>workspace</c>: it must exist, the caller must hold its key or the admin's, and handlers can take
    /// <see cref="CurrentWorkspace"/>.
    /// </summary>
    public static RouteGroupBuilder InWorkspace(this RouteGroupBuilder group) => group
        .RequireAuthorization(AuthExtensions.WorkspacePolicy)
        .WithMetadata(new InWorkspaceAttribute())
        .ProducesProblem(StatusCodes.Status404NotFound);
}
