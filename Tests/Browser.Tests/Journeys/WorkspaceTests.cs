using Microsoft.Playwright;
using RagPlatform.Browser.Tests.Infrastructure;
using static Microsoft.Playwright.Assertions;

namespace RagPlatform.Browser.Tests.Journeys;

public sealed class WorkspaceTests(PlatformFixture platform)
{
    [Fact]
    public async Task CreateWorkspace_WrongThenRightValues_ShowsErrorsAtTheirFieldsThenTheWorkspace()
    {
        await using var admin = await platform.OpenAsync();
        var page = admin.Page;
        await page.GotoAsync("");
        await page.GetByRole(AriaRole.Link, new() { Name = "New workspace" }).ClickAsync();

        var name = page.GetByLabel("Name");
        await name.FillAsync("Not A Name");
        await page.GetByLabel("Overlap in characters").FillAsync("9000");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create workspace" }).ClickAsync();
        await Expect(name).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(page.Locator("#name-error")).ToContainTextAsync("lower-case letters");
        await Expect(page.Locator("#overlap-error")).ToBeVisibleAsync();
        await Expect(name).ToHaveValueAsync("Not A Name");

        await name.FillAsync("journeys");
        await page.GetByLabel("Overlap in characters").FillAsync("100");
        await page.GetByLabel("Language").FillAsync("klingon");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create workspace" }).ClickAsync();
        await Expect(page.Locator("#language-error")).ToContainTextAsync("klingon");

        await page.GetByLabel("Language").FillAsync("german");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create workspace" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "journeys", Level = 1 })).ToBeVisibleAsync();
        await Expect(page.GetByText("No documents yet")).ToBeVisibleAsync();

        var created = await platform.Rag.FindWorkspaceAsync("journeys", TestContext.Current.CancellationToken);
        Assert.Equal(("german", 100), (created?.Language, created?.Chunking.Overlap));

        await page.GetByRole(AriaRole.Button, new() { Name = "Delete workspace" }).ClickAsync();
        await page.GetByLabel("Type the name to confirm").FillAsync("journeys");
        await page.GetByRole(AriaRole.Button, new() { Name = "Delete for good" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Workspaces", Level = 1 })).ToBeVisibleAsync();
        Assert.Null(await platform.Rag.FindWorkspaceAsync("journeys", TestContext.Current.CancellationToken));
        Assert.Empty(admin.Complaints);
    }

    [Fact]
    public async Task Documents_MoreThanAPage_ArePagedByCursor()
    {
        await using var admin = await platform.OpenAsync();
        var page = admin.Page;
        await platform.Rag.CreateWorkspaceAsync(new("paging"), TestContext.Current.CancellationToken);
        var documents = Enumerable.Range(0, 60).Select(i => new Contracts.BatchDocument($"doc-{i:00}", ""));
        await platform.Rag.PutDocumentsAsync("paging", [.. documents], cancellationToken: TestContext.Current.CancellationToken);

        await page.GotoAsync("workspaces/paging");
        await Expect(page.Locator("tbody tr")).ToHaveCountAsync(50);
        await page.GetByRole(AriaRole.Link, new() { Name = "Next page" }).ClickAsync();
        await Expect(page.Locator("tbody tr")).ToHaveCountAsync(10);
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "doc-59" })).ToBeVisibleAsync();
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "Next page" })).ToHaveCountAsync(0);
        Assert.Empty(admin.Complaints);
    }

    [Fact]
    public async Task Models_BuiltInProvider_SaysThatItIsLexical()
    {
        await using var admin = await platform.OpenAsync();
        await admin.Page.GotoAsync("models");

        var model = admin.Page.GetByRole(AriaRole.Article).Filter(new() { HasText = "hashing" });
        await Expect(model).ToContainTextAsync("384");
        await Expect(model).ToContainTextAsync("Lexical, not semantic");
        await Expect(model).ToContainTextAsync("Healthy");
        Assert.Empty(admin.Complaints);
    }
}
