using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using RagPlatform.Dashboard;

namespace RagPlatform.Browser.Tests.Infrastructure;

/// <summary>A dashboard beside the platform's, with an admin key and settings of its own.</summary>
internal static class OwnDashboard
{
    /// <summary>Starts one on a free port.</summary>
    /// <param name="adminKey">The key that it asks for and sends.</param>
    /// <param name="api">The search API; null for one that is away.</param>
    /// <param name="embedding">The embedding service; null for one that is away.</param>
    /// <param name="settings">Further configuration.</param>
    public static async Task<WebApplication> StartAsync(
        string adminKey, Uri? api = null, Uri? embedding = null, Dictionary<string, string?>? settings = null)
    {
        // Port 9 is reserved for a service that nobody runs.
        var away = new Uri("http://127.0.0.1:9");
        var dashboard = DashboardApp.Build(["--applicationName=RagPlatform.Dashboard"], builder =>
        {
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Auth:AdminKey"] = adminKey,
                ["services:search-api:http:0"] = (api ?? away).ToString(),
                ["services:embedding-service:http:0"] = (embedding ?? away).ToString(),
            });
            builder.Configuration.AddInMemoryCollection(settings);
        });
        await dashboard.StartAsync(TestContext.Current.CancellationToken);
        return dashboard;
    }

    /// <summary>The address of one of its pages.</summary>
    public static string At(this WebApplication dashboard, string path) => new Uri(new Uri(dashboard.Urls.First()), path).ToString();
}
