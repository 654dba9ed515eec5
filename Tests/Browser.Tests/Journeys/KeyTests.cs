using Microsoft.Playwright;
using RagPlatform.Browser.Tests.Infrastructure;
using RagPlatform.Contracts;
using static Microsoft.Playwright.Assertions;

namespace RagPlatform.Browser.Tests.Journeys;

public sealed class KeyTests(PlatformFixture platform)
{
    [Fact]
    public async Task CreateKey_ThenRevoke_OpensTheWorkspaceUntilItIsRevoked()
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var admin = await platform.OpenAsync();
        var page = admin.Page;
        await platform.Rag.CreateWorkspaceAsync(new("keys"), cancellation);
        await page.GotoAsync("workspaces/keys");
        await page.GetByRole(AriaRole.Link, new() { Name = "API keys" }).ClickAsync();
        await Expect(page.GetByText("The workspace has no key yet")).ToBeVisibleAsync();

        await page.GetByRole(AriaRole.Button, new() { Name = "Create key" }).ClickAsync();
        await Expect(page.Locator("#name-error")).ToBeVisibleAsync();

        await page.GetByLabel("Name of a new key").FillAsync("website");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create key" }).ClickAsync();
        var secret = await page.GetByLabel("The key", new() { Exact = true }).InnerTextAsync();
        using (var http = new HttpClient { BaseAddress = platform.Api })
        {
            http.DefaultRequestHeaders.Authorization = new("Bearer", secret.Trim());
            Assert.NotNull(await new RagClient(http).FindWorkspaceAsync("keys", cancellation));
        }

        await page.ReloadAsync();
        await Expect(page.GetByLabel("The key", new() { Exact = true })).ToHaveCountAsync(0);
        await page.GetByRole(AriaRole.Button, new() { Name = "Revoke website" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Revoke", Exact = true }).ClickAsync();
        await Expect(page.GetByText("The workspace has no key yet")).ToBeVisibleAsync();
        Assert.Empty((await platform.Rag.ListApiKeysAsync("keys", cancellation)).Items);
        Assert.Empty(admin.Complaints);
    }
}
