namespace RagPlatform.AppHost.Operations;

/// <summary>Load to look at: traces, metrics and latencies need something that asks.</summary>
internal static class LoadGenerator
{
    /// <summary>Adds <c>load</c>, which is started by hand and sends searches until it is stopped.</summary>
    public static IResourceBuilder<ExecutableResource> AddLoadGenerator(
        this IDistributedApplicationBuilder builder, IResourceBuilder<ProjectResource> api, IResourceBuilder<ParameterResource> adminKey) =>
        builder.AddExecutable("load", "dotnet", builder.AppHostDirectory, Programs.CommandLine, "load", "--workspace", "docs", "--rate", "20")
            .WithEnvironment(ApiConnection.AddressVariable, api.GetEndpoint("http"))
            .WithEnvironment(ApiConnection.KeyVariable, adminKey)
            .WaitFor(api)
            .WithIconName("TopSpeed")
            .WithExplicitStart()
            .ExcludeFromManifest();
}
