namespace RagPlatform.AppHost.Backends;

/// <summary>PostgreSQL and Valkey that exist: <c>ConnectionStrings:ragdb</c> and <c>ConnectionStrings:cache</c>.</summary>
internal static class ExternalBackends
{
    /// <summary>Adds them. The Aspire dashboard asks for a connection string that is missing.</summary>
    public static (IResourceBuilder<IResourceWithConnectionString> Database, IResourceBuilder<IResourceWithConnectionString> Cache) AddExternalBackends(
        this IDistributedApplicationBuilder builder)
    {
        // The server itself belongs to somebody else: it is shown, as what the database is part of.
        builder.AddResource(new ExternalServerResource("postgres"))
            .WithInitialState(new CustomResourceSnapshot
            {
                ResourceType = "ExternalServer",
                State = KnownResourceStates.Running,
                Properties = [],
            })
            .WithIconName("Database")
            .ExcludeFromManifest();

        // Without health checks of ours: with them nothing that waits for a connection string was started (seen with Aspire 13.6.5, cause not found).
        // Each service says in its own health whether its servers answer.
        var database = builder.AddConnectionString("ragdb");
        var cache = builder.AddConnectionString("cache");
        return (database, cache);
    }

    /// <summary>A server that somebody else runs.</summary>
    private sealed class ExternalServerResource(string name) : Resource(name);
}
