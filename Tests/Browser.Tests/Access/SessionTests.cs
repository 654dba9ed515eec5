using Microsoft.Playwright;
using RagPlatform.Browser.Tests.Infrastructure;
using static Microsoft.Playwright.Assertions;

namespace RagPlatform.Browser.Tests.Access;

/// <summary>
/// How long a login holds. Cookies know no ports, so one browser sees a dashboard that starts anew elsewhere as the same one.
/// </summary>
public sealed class SessionTests(PlatformFixture platform) : IDisposable
{
    private const string Key = "the-first-key-of-this-test";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-browser-tests-");

    [Fact]
    public async Task Login_KeysInAFolder_OutlivesARestartButNotAnotherAdminKey()
    {
        platform.RequireEverything();
        var settings = new Dictionary<string, string?> { ["Dashboard:KeysFolder"] = Path.Combine(_folder.FullName, "keys") };
        await using var admin = await platform.OpenAsStrangerAsync();
        await using (var first = await OwnDashboard.StartAsync(Key, settings: settings))
        {
            await admin.LogInAsync(first.At("login"), Key);
        }

        await using (var restarted = await OwnDashboard.StartAsync(Key, settings: settings))
        {
            await admin.Page.GotoAsync(restarted.At("models"));
            await Expect(admin.Page.GetByRole(AriaRole.Heading, new() { Name = "Models", Level = 1 })).ToBeVisibleAsync();
        }

        await using var other = await OwnDashboard.StartAsync("the-second-key-of-this-test", settings: settings);
        await admin.Page.GotoAsync(other.At("models"));
        await Expect(admin.Page.GetByLabel("Admin key")).ToBeVisibleAsync();
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
