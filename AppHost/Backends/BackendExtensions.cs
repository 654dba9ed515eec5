using Microsoft.Extensions.Configuration;

namespace RagPlatform.AppHost.Backends;

/// <summary>The servers behind the services. Whatever the kind, they are called <c>postgres</c>, <c>ragdb</c> and <c>cache</c>.</summary>
internal static class BackendExtensions
{
    /// <summary>
    /// Adds the kind that <c>--Backends</c> names: <c>containers</c>, <c>local</c> or <c>external</c>. Without it, containers where an
    /// engine answers, else local.
    /// </summary>
    /// <exception cref="DistributedApplicationException"><c>--Backends</c> names something else.</exception>
    public static (IResourceBuilder<IResourceWithConnectionString> Database, IResourceBuilder<IResourceWithConnectionString> Cache) AddBackends(
        this IDistributedApplicationBuilder builder, PlatformFolder folder) => Choose(builder) switch
        {
            BackendKind.Local => builder.AddLocalBackends(folder),
            BackendKind.External => builder.AddExternalBackends(),
            _ => builder.AddContainerBackends(),
        };

    private static BackendKind Choose(IDistributedApplicationBuilder builder) => builder.Configuration["Backends"] switch
    {
        _ when builder.ExecutionContext.IsPublishMode => BackendKind.Containers,
        null or "" => ContainerEngine.Answers() ? BackendKind.Containers : BackendKind.Local,
        var name when Enum.TryParse<BackendKind>(name, ignoreCase: true, out var kind) && Enum.IsDefined(kind) => kind,
        var name => throw new DistributedApplicationException($"--Backends takes containers, local or external, not '{name}'."),
    };
}
