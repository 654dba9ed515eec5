using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;
using RagPlatform.Browser.Tests.Infrastructure;
using RagPlatform.Dashboard;
using static Microsoft.Playwright.Assertions;

namespace RagPlatform.Browser.Tests.Journeys;

/// <summary>A dashboard of its own, in front of services that are away or do not know its key.</summary>
public sealed class OutageTests(PlatformFixture platform)
{
    private const string OtherKey = "another-key-that-nobody-knows";

    [Theory]
    [InlineData("", "The search API does not answer")]
    [InlineData("workspaces/docs", "The search API does not answer")]
    [InlineData("search", "The search API does not answer")]
    [InlineData("models", "The embedding service does not answer")]
    public async Task Page_ServiceAway_SaysSo(string path, string expected)
    {
        platform.RequireEverything();

        // Port 9 is reserved for a service that nobody runs.
        await using var dashboard = await StartAsync(new("http://127.0.0.1:9"), new("http://127.0.0.1:9"));
        await using var admin = await OpenAsync(dashboard);
        await admin.Page.GotoAsync(new Uri(new Uri(dashboard.Urls.First()), path).ToString());

        await Expect(admin.Page.GetByRole(AriaRole.Alert).First).ToContainTextAsync(expected);
        await Expect(admin.Page.GetByRole(AriaRole.Navigation, new() { Name = "Main" })).ToBeVisibleAsync();
        Assert.Empty(admin.Complaints);
    }

    [Fact]
    public async Task Page_KeyRefused_SaysSo()
    {
        platform.RequireEverything();
        await using var dashboard = await StartAsync(platform.Api, platform.Embedding);
        await using var admin = await OpenAsync(dashboard);

        await Expect(admin.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("The search API refuses the dashboard’s key");
    }

    private static async Task<WebApplication> StartAsync(Uri api, Uri embedding)
    {
        var dashboard = DashboardApp.Build(["--applicationName=RagPlatform.Dashboard"], builder =>
        {
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Auth:AdminKey"] = OtherKey,
                ["services:search-api:http:0"] = api.ToString(),
                ["services:embedding-service:http:0"] = embedding.ToString(),
            });
        });
        await dashboard.StartAsync(TestContext.Current.CancellationToken);
        return dashboard;
    }

    private async Task<BrowserPage> OpenAsync(WebApplication dashboard)
    {
        var stranger = await platform.OpenAsStrangerAsync();
        await stranger.Page.GotoAsync(new Uri(new Uri(dashboard.Urls.First()), "login").ToString());
        await stranger.Page.GetByLabel("Admin key").FillAsync(OtherKey);
        await stranger.Page.GetByRole(AriaRole.Button, new() { Name = "Log in" }).ClickAsync();
        await Expect(stranger.Page.GetByRole(AriaRole.Heading, new() { Name = "Workspaces", Level = 1 })).ToBeVisibleAsync();
        return stranger;
    }
}
