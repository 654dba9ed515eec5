namespace RagPlatform.AppHost.Backends;

/// <summary>PostgreSQL and Valkey that exist: <c>ConnectionStrings:ragdb</c> and <c>ConnectionStrings:cache</c>.</summary>
internal static class ExternalBackends
{
    /// <summary>Adds them. The Aspire dashboard asks for a connection string that is missing.</summary>
    public static (IResourceBuilder<IResourceWithConnectionString> Database, IResourceBuilder<IResourceWithConnectionString> Cache) AddExternalBackends(
        this IDistributedApplicationBuilder builder)
    {
        // The server itself belongs to somebody else: it is shown, as what the database is part of.
        var postgres = builder.AddResource(new ExternalServerResource("postgres"))
            .WithInitialState(new CustomResourceSnapshot
            {
                ResourceType = "ExternalServer",
                State = KnownResourceStates.Running,
                Properties = [],
            })
            .WithIconName("Database")
            .ExcludeFromManifest();
        var database = builder.AddConnectionString("ragdb");
        database.WithParentRelationship(postgres).WithServerHealthCheck(address => new PostgresHealthCheck(address));
        var cache = builder.AddConnectionString("cache");
        cache.WithServerHealthCheck(address => new CacheHealthCheck(address));
        return (database, cache);
    }

    /// <summary>A server that somebody else runs.</summary>
    private sealed class ExternalServerResource(string name) : Resource(name);
}
