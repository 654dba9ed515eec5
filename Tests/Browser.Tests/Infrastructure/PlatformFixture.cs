using Microsoft.Playwright;
using RagPlatform.Browser.Tests.Infrastructure;
using RagPlatform.Contracts;
using RagPlatform.SingleNode;

[assembly: AssemblyFixture(typeof(PlatformFixture))]

namespace RagPlatform.Browser.Tests.Infrastructure;

/// <summary>
/// The whole platform in this process on a temporary data folder, and one browser for all tests; each test has a context of its own.
/// </summary>
public sealed class PlatformFixture : IAsyncLifetime
{
    private const int PatienceMilliseconds = 30_000;

    private SingleNodeApp? _node;
    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private string? _loggedIn;
    private string? _missing;

    /// <summary>Where the dashboard answers.</summary>
    public Uri Dashboard => _node!.DashboardAddress;

    /// <summary>Where the search API answers.</summary>
    public Uri Api => _node!.ApiAddress;

    /// <summary>Where the embedding service answers.</summary>
    public Uri Embedding => _node!.EmbeddingAddress;

    /// <summary>The key that opens everything.</summary>
    public string AdminKey => _node!.AdminKey;

    /// <summary>The API, for what a test prepares.</summary>
    public RagClient Rag { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        if (Chromium.Find() is not { } program)
        {
            _missing = "Chromium is not installed: eng/install-backends.sh --chromium does it.";
            return;
        }

        try
        {
            _node = await SingleNodeApp.StartAsync(new SingleNodeOptions { Durable = false, ValkeyMegabytes = 32 });
        }
        catch (SingleNodeException e) when (e.Exit == SingleNodeExit.ServerMissing)
        {
            _missing = e.Message;
            return;
        }

        Rag = RagClient.Create(Api, AdminKey);
        // Generous: it costs nothing where the machine is fast, and a busy one fails no test.
        Assertions.SetDefaultExpectTimeout(PatienceMilliseconds);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = program, Args = Chromium.Arguments });
        _loggedIn = await LogInAsync();
    }

    /// <summary>Opens a page of somebody who has logged in.</summary>
    public Task<BrowserPage> OpenAsync(int width = 1280, bool scripts = true) => OpenAsync(width, _loggedIn, scripts);

    /// <summary>Opens a page of somebody who has not.</summary>
    public Task<BrowserPage> OpenAsStrangerAsync() => OpenAsync(1280, null, scripts: true);

    /// <summary>Skips the test where something is not installed; in CI that is a failure.</summary>
    public void RequireEverything()
    {
        if (_missing is null)
        {
            return;
        }

        if (Environment.GetEnvironmentVariable("CI") is { Length: > 0 } and not "false")
        {
            Assert.Fail(_missing);
        }

        Assert.Skip(_missing);
    }

    public async ValueTask DisposeAsync()
    {
        await (_browser?.DisposeAsync() ?? ValueTask.CompletedTask);
        _playwright?.Dispose();
        await (_node?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private async Task<BrowserPage> OpenAsync(int width, string? state, bool scripts)
    {
        RequireEverything();
        var context = await _browser!.NewContextAsync(new()
        {
            BaseURL = Dashboard.ToString(),
            StorageState = state,
            JavaScriptEnabled = scripts,
            ViewportSize = new() { Width = width, Height = 900 },
            ReducedMotion = ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout(PatienceMilliseconds);
        return new BrowserPage(context, await context.NewPageAsync());
    }

    private async Task<string> LogInAsync()
    {
        await using var stranger = await OpenAsStrangerAsync();
        await stranger.LogInAsync("login", AdminKey);
        return await stranger.Page.Context.StorageStateAsync();
    }
}
