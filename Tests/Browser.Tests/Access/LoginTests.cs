using System.Net;
using Microsoft.Playwright;
using RagPlatform.Browser.Tests.Infrastructure;
using static Microsoft.Playwright.Assertions;

namespace RagPlatform.Browser.Tests.Access;

public sealed class LoginTests(PlatformFixture platform)
{
    [Fact]
    public async Task LogIn_WrongThenRightKey_IsRefusedThenLetInToThePageThatWasAskedFor()
    {
        await using var stranger = await platform.OpenAsStrangerAsync();
        var page = stranger.Page;

        await page.GotoAsync("models");
        await Expect(page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex("/login"));
        await Expect(page.GetByRole(AriaRole.Navigation)).ToHaveCountAsync(0);

        await page.GetByLabel("Admin key").FillAsync("not-the-key-at-all");
        await page.GetByRole(AriaRole.Button, new() { Name = "Log in" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToHaveTextAsync("This key is not right.");

        await page.GetByLabel("Admin key").FillAsync(platform.AdminKey);
        await page.GetByRole(AriaRole.Button, new() { Name = "Log in" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Models", Level = 1 })).ToBeVisibleAsync();

        var cookie = Assert.Single(await page.Context.CookiesAsync(), cookie => cookie.Name == "rag-dashboard");
        Assert.True(cookie.HttpOnly);
        Assert.Equal(SameSiteAttribute.Strict, cookie.SameSite);
        Assert.Empty(stranger.Complaints);
    }

    [Fact]
    public async Task LogOut_AfterLogin_AsksForTheKeyAgain()
    {
        await using var stranger = await platform.OpenAsStrangerAsync();
        var page = stranger.Page;
        await stranger.LogInAsync("login", platform.AdminKey);

        await page.GetByRole(AriaRole.Button, new() { Name = "Log out" }).ClickAsync();
        await Expect(page.GetByLabel("Admin key")).ToBeVisibleAsync();

        await page.GotoAsync("");
        await Expect(page.GetByLabel("Admin key")).ToBeVisibleAsync();
        Assert.Empty(stranger.Complaints);
    }

    [Theory]
    [InlineData("health", HttpStatusCode.OK)]
    [InlineData("alive", HttpStatusCode.OK)]
    [InlineData("metrics", HttpStatusCode.OK)]
    [InlineData("", HttpStatusCode.Redirect)]
    [InlineData("workspaces/docs", HttpStatusCode.Redirect)]
    [InlineData("no-such-page", HttpStatusCode.Redirect)]
    public async Task Get_WithoutLogin_OpensProbesOnly(string path, HttpStatusCode expected)
    {
        platform.RequireEverything();
        using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = platform.Dashboard };

        using var response = await http.GetAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken);

        Assert.Equal(expected, response.StatusCode);
    }

    [Fact]
    public async Task LogIn_WithoutFormToken_IsRefused()
    {
        platform.RequireEverything();
        using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = platform.Dashboard };
        using var form = new FormUrlEncodedContent([new("key", platform.AdminKey)]);

        using var response = await http.PostAsync(new Uri("login/submit", UriKind.Relative), form, TestContext.Current.CancellationToken);

        Assert.Equal("/login?reason=expired", response.Headers.Location?.ToString());
        Assert.DoesNotContain(response.Headers, header => header.Key == "Set-Cookie");
    }
}
