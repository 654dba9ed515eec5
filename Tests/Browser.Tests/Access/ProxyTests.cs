using System.Net;
using RagPlatform.Browser.Tests.Infrastructure;

namespace RagPlatform.Browser.Tests.Access;

/// <summary>Behind a reverse proxy: what a known one says holds, what anybody else says does not.</summary>
public sealed class ProxyTests
{
    private const string Key = "the-admin-key-of-this-test";

    private static readonly (string, string)[] s_forwarded =
        [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "rag.example.org"), ("X-Forwarded-Prefix", "/rag")];

    [Fact]
    public async Task AKnownProxy_WithAPrefix_IsInEveryLinkRedirectAndCookie()
    {
        await using var dashboard = await StartAsync(("Proxy:Known", "192.0.2.1, 127.0.0.0/8"));
        using var admin = new HttpVisitor(new Uri(dashboard.Urls.First()), s_forwarded);

        using var closed = await admin.GetAsync("/models");
        Assert.Equal("/rag/login?return=%2Frag%2Fmodels", closed.Headers.Location?.OriginalString);
        var login = await ReadAsync(await admin.GetAsync("/login"));
        Assert.Contains("<base href=\"/rag/\"", login, StringComparison.Ordinal);
        Assert.Contains("action=\"login/submit\"", login, StringComparison.Ordinal);
        Assert.Contains(admin.SetCookies, c => c.StartsWith("rag-dashboard-form=", StringComparison.Ordinal)
            && c.Contains("secure", StringComparison.OrdinalIgnoreCase) && c.Contains("path=/rag", StringComparison.OrdinalIgnoreCase));

        using var entered = await admin.LogInAsync(Key);
        Assert.Equal("/rag/", entered.Headers.Location?.OriginalString);
        Assert.Contains(admin.SetCookies, c => c.StartsWith("rag-dashboard=", StringComparison.Ordinal)
            && c.Contains("secure", StringComparison.OrdinalIgnoreCase) && c.Contains("path=/rag", StringComparison.OrdinalIgnoreCase));

        Assert.Contains("href=\"/rag/\"", await ReadAsync(await admin.GetAsync("/no-such-page")), StringComparison.Ordinal);
        using var left = await admin.PostAsync("/search", "/logout");
        Assert.Equal("/rag/login", left.Headers.Location?.OriginalString);
    }

    [Theory]
    [InlineData("Proxy:Known", "")]
    [InlineData("Proxy:Known", "10.0.0.1")]
    [InlineData("ForwardedHeaders_Enabled", "true")]
    public async Task AnybodyElse_WhoForwards_IsNotBelieved(string setting, string value)
    {
        await using var dashboard = await StartAsync((setting, value));
        using var stranger = new HttpVisitor(new Uri(dashboard.Urls.First()), s_forwarded);

        using var closed = await stranger.GetAsync("/models");
        Assert.Equal("/login?return=%2Fmodels", closed.Headers.Location?.OriginalString);
        Assert.Contains("<base href=\"/\"", await ReadAsync(await stranger.GetAsync("/login")), StringComparison.Ordinal);
        Assert.DoesNotContain(stranger.SetCookies, c => c.Contains("secure", StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("/rag/")] // a proxy that leaves the prefix
    [InlineData("/")] // one that takes it off, and a probe
    public async Task PathBase_InTheSettings_IsInEveryLink(string prefix)
    {
        await using var dashboard = await StartAsync(("Proxy:PathBase", "/rag"));
        using var admin = new HttpVisitor(new Uri(dashboard.Urls.First()));

        using var closed = await admin.GetAsync(prefix + "models");
        using var entered = await admin.LogInAsync(Key, prefix);
        using var models = await admin.GetAsync(prefix + "models");

        Assert.Equal("/rag/login?return=%2Frag%2Fmodels", closed.Headers.Location?.OriginalString);
        Assert.Equal("/rag/", entered.Headers.Location?.OriginalString);
        Assert.Equal(HttpStatusCode.OK, models.StatusCode);
        Assert.Contains("<base href=\"/rag/\"", await ReadAsync(models), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Host_OfAnother_IsInNoRedirectAndRefusedWhereHostsAreConfigured()
    {
        await using var dashboard = await StartAsync(("AllowedHosts", "rag.example.org"));
        using var evil = new HttpVisitor(new Uri(dashboard.Urls.First()), ("Host", "evil.example"));
        using var good = new HttpVisitor(new Uri(dashboard.Urls.First()), ("Host", "rag.example.org"));

        using var refused = await evil.GetAsync("/models");
        using var closed = await good.GetAsync("/models");

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Equal("/login?return=%2Fmodels", closed.Headers.Location?.OriginalString);
    }

    private static Task<Microsoft.AspNetCore.Builder.WebApplication> StartAsync((string Name, string Value) setting) =>
        OwnDashboard.StartAsync(Key, settings: new() { [setting.Name] = setting.Value });

    private static async Task<string> ReadAsync(HttpResponseMessage response)
    {
        using (response)
        {
            return await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        }
    }
}
