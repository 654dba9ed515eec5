using Microsoft.Playwright;

namespace RagPlatform.Browser.Tests.Infrastructure;

/// <summary>A page, and what its scripts complained about.</summary>
public sealed class BrowserPage : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly List<string> _complaints = [];

    internal BrowserPage(IBrowserContext context, IPage page)
    {
        _context = context;
        Page = page;
        page.PageError += (_, message) => _complaints.Add(message);
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
            {
                _complaints.Add(message.Text);
            }
        };
    }

    /// <summary>Playwright's page.</summary>
    public IPage Page { get; }

    /// <summary>Errors and warnings of the console, among them what the content policy refused.</summary>
    public IReadOnlyList<string> Complaints => _complaints;

    /// <summary>Logs in with the right key.</summary>
    /// <param name="address">The login page.</param>
    /// <param name="key">The key.</param>
    public async Task LogInAsync(string address, string key)
    {
        await Page.GotoAsync(address);
        await Page.GetByLabel("Admin key").FillAsync(key);
        await Page.GetByRole(AriaRole.Button, new() { Name = "Log in" }).ClickAsync();
        await Assertions.Expect(Page.GetByRole(AriaRole.Heading, new() { Name = "Workspaces", Level = 1 })).ToBeVisibleAsync();
    }

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
