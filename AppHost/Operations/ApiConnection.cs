using RagPlatform.Contracts;

namespace RagPlatform.AppHost.Operations;

/// <summary>The search API, as an admin.</summary>
/// <param name="api">The service.</param>
/// <param name="adminKey">The key.</param>
internal sealed class ApiConnection(IResourceBuilder<ProjectResource> api, IResourceBuilder<ParameterResource> adminKey)
{
    /// <summary>The environment variable of <c>rag</c> that names the search API.</summary>
    public const string AddressVariable = "RAG_URL";

    /// <summary>The environment variable of <c>rag</c> that has the key.</summary>
    public const string KeyVariable = "RAG_API_KEY";

    /// <summary>The admin key.</summary>
    public ValueTask<string?> GetKeyAsync(CancellationToken cancellationToken) => adminKey.Resource.GetValueAsync(cancellationToken);

    /// <summary>A client of it.</summary>
    public async Task<RagClient> OpenAsync(CancellationToken cancellationToken) =>
        RagClient.Create(new Uri(api.GetEndpoint("http").Url), await GetKeyAsync(cancellationToken) ?? "");
}
