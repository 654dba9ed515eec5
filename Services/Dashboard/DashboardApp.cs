using RagPlatform.Dashboard.Access;
using RagPlatform.Dashboard.Assets;
using RagPlatform.Dashboard.Platform;
using RagPlatform.Dashboard.Shell;
using RagPlatform.ServiceDefaults;

namespace RagPlatform.Dashboard;

/// <summary>Composes the service, for its own process and for the single-node host.</summary>
public static class DashboardApp
{
    /// <summary>Builds the application; it is started by the caller.</summary>
    /// <param name="args">Command-line configuration.</param>
    /// <param name="configure">Runs first, so that a host can supply configuration and addresses.</param>
    /// <exception cref="InvalidOperationException">The address of the search API or of the embedding service is missing.</exception>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(args);
        configure?.Invoke(builder);
        builder.AddShell();
        builder.AddServiceDefaults("dashboard");
        builder.AddAccess();
        builder.AddPlatform();

        var app = builder.Build();
        app.UseShell();
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseAntiforgery();
        app.MapDefaultEndpoints();
        app.MapAssets();
        app.MapAccess();
        app.MapRazorComponents<App>();
        return app;
    }
}
