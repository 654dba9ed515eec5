using RagPlatform.ServiceDefaults;

namespace RagPlatform.IndexingWorker;

/// <summary>Composes the service, for its own process and for the single-node host.</summary>
public static class IndexingWorkerApp
{
    /// <summary>Builds the application; it is started by the caller.</summary>
    /// <param name="args">Command-line configuration.</param>
    /// <param name="configure">Runs first, so that a host can supply configuration and addresses.</param>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(args);
        configure?.Invoke(builder);
        builder.AddServiceDefaults();

        var app = builder.Build();
        app.MapDefaultEndpoints();
        return app;
    }
}
