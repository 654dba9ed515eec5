using System.Net;
using RagPlatform.Browser.Tests.Infrastructure;

namespace RagPlatform.Browser.Tests.Access;

/// <summary>A login that has ended has ended for whoever holds its cookie.</summary>
public sealed class EndedSessionTests : IDisposable
{
    private const string Key = "the-admin-key-of-this-test";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-browser-tests-");

    [Fact]
    public async Task LogOut_ACopiedCookie_OpensNothingAnyMoreAndOthersStay()
    {
        await using var dashboard = await OwnDashboard.StartAsync(Key);
        var address = new Uri(dashboard.Urls.First());
        using var admin = new HttpVisitor(address);
        using var other = new HttpVisitor(address);
        await admin.LogInAsync(Key);
        await other.LogInAsync(Key);
        using var thief = new HttpVisitor(address) { Cookies = new(admin.Cookies) };
        Assert.True(await thief.IsInAsync());

        await admin.PostAsync("/search", "/logout");

        Assert.False(await thief.IsInAsync());
        Assert.False(await admin.IsInAsync());
        Assert.True(await other.IsInAsync());
    }

    [Fact]
    public async Task LogOutEverywhere_EverySession_IsOverAndTheNextLoginIsNot()
    {
        await using var dashboard = await OwnDashboard.StartAsync(Key);
        var address = new Uri(dashboard.Urls.First());
        using var admin = new HttpVisitor(address);
        using var other = new HttpVisitor(address);
        await admin.LogInAsync(Key);
        await other.LogInAsync(Key);

        await admin.PostAsync("/search", "/logout", ("everywhere", "true"));

        Assert.False(await other.IsInAsync());
        await other.LogInAsync(Key);
        Assert.True(await other.IsInAsync());
    }

    [Fact]
    public async Task LogOut_KeysInAFolder_HoldsAfterARestartAndForOtherReplicas()
    {
        var settings = new Dictionary<string, string?> { ["Dashboard:KeysFolder"] = Path.Combine(_folder.FullName, "keys") };
        await using var first = await OwnDashboard.StartAsync(Key, settings: settings);
        await using var second = await OwnDashboard.StartAsync(Key, settings: settings);
        using var admin = new HttpVisitor(new Uri(first.Urls.First()));
        await admin.LogInAsync(Key);
        using var elsewhere = new HttpVisitor(new Uri(second.Urls.First())) { Cookies = new(admin.Cookies) };
        Assert.True(await elsewhere.IsInAsync());

        await admin.PostAsync("/search", "/logout");

        Assert.False(await elsewhere.IsInAsync());
        await using var restarted = await OwnDashboard.StartAsync(Key, settings: settings);
        using var later = new HttpVisitor(new Uri(restarted.Urls.First())) { Cookies = new(elsewhere.Cookies) };
        Assert.False(await later.IsInAsync());
    }

    [Fact]
    public async Task LogIn_AfterManyWrongKeys_TheRightOneIsLetIn()
    {
        await using var dashboard = await OwnDashboard.StartAsync(Key, settings: new()
        {
            ["Dashboard:LoginAttemptsPerMinute"] = "100",
            ["Dashboard:WrongKeyDelay"] = "00:00:00",
        });
        using var admin = new HttpVisitor(new Uri(dashboard.Urls.First()));
        for (var i = 0; i < 101; i++)
        {
            using var wrong = await admin.PostAsync("/login", "/login/submit", ("key", $"wrong-{i}"), ("return", "/é"));
            Assert.Equal("/login?reason=wrong&return=%2F%C3%A9", wrong.Headers.Location?.OriginalString);
        }

        using var right = await admin.PostAsync("/login", "/login/submit", ("key", Key), ("return", "/é"));

        Assert.Equal((HttpStatusCode.Redirect, "/%C3%A9"), (right.StatusCode, right.Headers.Location?.OriginalString));
        Assert.True(await admin.IsInAsync());
    }

    [Theory]
    [InlineData("/login?wait=abc", HttpStatusCode.OK)]
    [InlineData("/login?reason=limit&return=%C3%A9", HttpStatusCode.OK)]
    [InlineData("/workspaces/w/document?id=..", HttpStatusCode.OK)]
    [InlineData("/workspaces/w/document?id=%00", HttpStatusCode.BadRequest)]
    [InlineData("/workspaces/%C3%A9?cursor=%21", HttpStatusCode.OK)]
    [InlineData("/workspaces/w/../keys", HttpStatusCode.OK)] // as the client sends it: /workspaces/keys
    public async Task Get_WhatNobodyMeans_IsAPageOrRefused(string path, HttpStatusCode expected)
    {
        await using var dashboard = await OwnDashboard.StartAsync(Key);
        using var admin = new HttpVisitor(new Uri(dashboard.Urls.First()));
        await admin.LogInAsync(Key);

        using var response = await admin.GetAsync(path);

        Assert.Equal(expected, response.StatusCode);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
