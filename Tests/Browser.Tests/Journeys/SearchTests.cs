using System.Text.Json;
using Microsoft.Playwright;
using RagPlatform.Browser.Tests.Infrastructure;
using RagPlatform.Contracts;
using static Microsoft.Playwright.Assertions;

namespace RagPlatform.Browser.Tests.Journeys;

public sealed class SearchTests(PlatformFixture platform)
{
    [Fact]
    public async Task Document_PutThroughTheApi_IsSeenIndexedThenFoundThenDeleted()
    {
        const string Id = "guides/einstieg & mehr?.md";
        var cancellation = TestContext.Current.CancellationToken;
        await using var admin = await platform.OpenAsync();
        var page = admin.Page;
        await platform.Rag.CreateWorkspaceAsync(new("answers"), cancellation);
        await page.GotoAsync("workspaces/answers");

        // The page is open while the document comes in: it has to renew itself.
        await platform.Rag.PutDocumentAsync(
            "answers",
            Id,
            new(
                "# Brewing\n\nGreen tea is steeped at 80 degrees for two minutes.",
                "Tea <b>guide</b>",
                JsonElement.Parse("""{"year":2024}""")),
            cancellationToken: cancellation);
        var row = page.GetByRole(AriaRole.Row).Filter(new() { HasText = Id });
        await Expect(row).ToContainTextAsync("Indexed");

        await page.GetByRole(AriaRole.Link, new() { Name = "Search in it" }).ClickAsync();
        await page.GetByLabel("Query").FillAsync("steeping green tea");
        await page.GetByLabel("Query").PressAsync("Enter");
        var hit = page.GetByRole(AriaRole.Listitem).First;
        await Expect(hit).ToContainTextAsync("Tea <b>guide</b>");
        await Expect(hit.Locator("mark").Filter(new() { HasText = "Green" })).ToBeVisibleAsync();
        await Expect(page.Locator("#results")).ToContainTextAsync("hashing_384");

        await page.GetByText("Filter and options").ClickAsync();
        await page.GetByLabel("Filter on metadata").FillAsync("""{"year": 1999}""");
        await page.GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();
        await Expect(page.GetByText("Nothing was found")).ToBeVisibleAsync();

        await page.GetByLabel("Filter on metadata").FillAsync("""{"year": 2024}""");
        await page.GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Tea <b>guide</b>" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Tea <b>guide</b>" })).ToBeVisibleAsync();
        await Expect(page.GetByText("steeped at 80 degrees")).ToBeVisibleAsync();

        await page.GetByRole(AriaRole.Button, new() { Name = "Delete document" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Delete", Exact = true }).ClickAsync();
        await Expect(page.GetByText("No documents yet")).ToBeVisibleAsync();
        Assert.Null(await platform.Rag.FindDocumentAsync("answers", Id, cancellation));
        Assert.Empty(admin.Complaints);
    }

    [Theory]
    [InlineData("{ \"year\": ", "not valid JSON")]
    [InlineData("[1, 2]", "object")]
    public async Task Search_WrongFilter_ShowsTheErrorAtTheFilter(string filter, string expected)
    {
        await using var admin = await platform.OpenAsync();
        var page = admin.Page;
        await EnsureWorkspaceAsync("filters");
        await page.GotoAsync("search?workspace=filters");

        await page.GetByLabel("Query").FillAsync("anything");
        await page.GetByText("Filter and options").ClickAsync();
        await page.GetByLabel("Filter on metadata").FillAsync(filter);
        await page.GetByRole(AriaRole.Button, new() { Name = "Search" }).ClickAsync();

        await Expect(page.Locator("#filter-error")).ToContainTextAsync(expected);
        await Expect(page.GetByLabel("Filter on metadata")).ToHaveValueAsync(filter);
        await Expect(page.GetByLabel("Filter on metadata")).ToBeFocusedAsync();
        Assert.Empty(admin.Complaints);
    }

    private async Task EnsureWorkspaceAsync(string name)
    {
        if (await platform.Rag.FindWorkspaceAsync(name, TestContext.Current.CancellationToken) is null)
        {
            await platform.Rag.CreateWorkspaceAsync(new WorkspaceCreate(name), TestContext.Current.CancellationToken);
        }
    }
}
