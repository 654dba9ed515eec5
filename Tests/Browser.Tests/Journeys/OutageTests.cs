using Microsoft.AspNetCore.Builder;
using Microsoft.Playwright;
using RagPlatform.Browser.Tests.Infrastructure;
using static Microsoft.Playwright.Assertions;

namespace RagPlatform.Browser.Tests.Journeys;

/// <summary>A dashboard of its own, in front of services that are away or do not know its key.</summary>
public sealed class OutageTests(PlatformFixture platform)
{
    private const string OtherKey = "another-key-that-nobody-knows";

    [Fact]
    public async Task Page_ServiceAway_SaysSo()
    {
        platform.RequireEverything();
        await using var dashboard = await OwnDashboard.StartAsync(OtherKey);
        await using var admin = await OpenAsync(dashboard);

        foreach (var (path, expected) in new[]
        {
            ("", "The search API does not answer"),
            ("workspaces/docs", "The search API does not answer"),
            ("workspaces/docs/keys", "The search API does not answer"),
            ("search", "The search API does not answer"),
            ("models", "The embedding service does not answer"),
        })
        {
            await admin.Page.GotoAsync(dashboard.At(path));
            await Expect(admin.Page.GetByRole(AriaRole.Alert).First).ToContainTextAsync(expected);
            await Expect(admin.Page.GetByRole(AriaRole.Navigation, new() { Name = "Main" })).ToBeVisibleAsync();
        }

        Assert.Empty(admin.Complaints);
    }

    [Fact]
    public async Task Page_KeyRefused_SaysSo()
    {
        platform.RequireEverything();
        await using var dashboard = await OwnDashboard.StartAsync(OtherKey, platform.Api, platform.Embedding);
        await using var admin = await OpenAsync(dashboard);

        await Expect(admin.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("The search API refuses the dashboard’s key");
    }

    [Fact]
    public async Task Page_DashboardStopped_SaysThatWhatIsShownMayBeOld()
    {
        platform.RequireEverything();
        await using var dashboard = await OwnDashboard.StartAsync(
            platform.AdminKey, platform.Api, platform.Embedding, new() { ["Dashboard:RefreshSeconds"] = "1" });
        await using var admin = await platform.OpenAsStrangerAsync();
        await admin.LogInAsync(dashboard.At("login"), platform.AdminKey);

        await dashboard.StopAsync(TestContext.Current.CancellationToken);

        await Expect(admin.Page.GetByText("The dashboard does not answer.")).ToBeVisibleAsync();
        await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Workspaces", Level = 1 })).ToBeVisibleAsync();
    }

    private async Task<BrowserPage> OpenAsync(WebApplication dashboard)
    {
        var stranger = await platform.OpenAsStrangerAsync();
        await stranger.LogInAsync(dashboard.At("login"), OtherKey);
        return stranger;
    }
}
