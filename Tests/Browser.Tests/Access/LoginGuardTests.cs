using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using RagPlatform.Dashboard;
using RagPlatform.Dashboard.Access;

namespace RagPlatform.Browser.Tests.Access;

public sealed class LoginGuardTests
{
    private static readonly TimeSpan s_ordinary = TimeSpan.FromMilliseconds(500);

    private readonly ManualTime _time = new();
    private readonly LoginGuard _guard;

    public LoginGuardTests() => _guard = new(Options.Create(new DashboardOptions { LoginAttemptsPerMinute = 3 }), _time);

    [Fact]
    public void AddWrong_MoreThanAllowed_IsAnsweredLaterAndLaterUpToABound()
    {
        var delays = Enumerable.Range(0, 10).Select(_ => _guard.AddWrong("10.0.0.1").TotalSeconds).ToList();

        Assert.Equal([0.5, 0.5, 0.5, 1, 2, 4, 8, 10, 10, 10], delays);
        Assert.Equal(s_ordinary, _guard.AddWrong("10.0.0.2"));
    }

    [Fact]
    public void AddWrong_AMinuteLater_StartsAnew()
    {
        AddWrong("10.0.0.1", 10);
        _time.Now += TimeSpan.FromMinutes(1);

        Assert.Equal(s_ordinary, _guard.AddWrong("10.0.0.1"));
    }

    [Fact]
    public void AddWrong_FromManyAddresses_IsSlowForEachOfThem()
    {
        for (var i = 0; i < 80; i++)
        {
            AddWrong($"10.0.1.{i}", 1);
        }

        Assert.Equal(TimeSpan.FromSeconds(10), _guard.AddWrong("10.0.0.1"));
    }

    [Fact]
    public void Forget_AfterTheRightKey_StartsAnew()
    {
        AddWrong("10.0.0.1", 10);
        _guard.Forget("10.0.0.1");

        Assert.Equal(s_ordinary, _guard.AddWrong("10.0.0.1"));
    }

    [Fact]
    public void TryEnter_WhileTooManyAreUnderWay_IsRefusedForThatCallerOnly()
    {
        for (var i = 0; i < LoginGuard.MaxUnderWay; i++)
        {
            Assert.True(_guard.TryEnter("10.0.0.1"));
        }

        Assert.False(_guard.TryEnter("10.0.0.1"));
        Assert.True(_guard.TryEnter("10.0.0.2"));
        _guard.Leave("10.0.0.1");
        Assert.True(_guard.TryEnter("10.0.0.1"));
        Assert.False(_guard.TryEnter("10.0.0.1"));
    }

    [Theory]
    [InlineData("10.0.0.1", "10.0.0.1")]
    [InlineData("::ffff:10.0.0.1", "10.0.0.1")]
    [InlineData("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64")]
    [InlineData("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64")]
    public void CallerOf_AnAddress_IsWhatOneCallerCannotLeave(string address, string caller) =>
        Assert.Equal(caller, LoginGuard.CallerOf(IPAddress.Parse(address)));

    [Theory]
    [InlineData("", "/search?workspace=docs", "/search?workspace=docs")]
    [InlineData("", "/é x", "/%C3%A9%20x")]
    [InlineData("", "/a\r\nSet-Cookie: x", "/")]
    [InlineData("", "//evil.example", "/")]
    [InlineData("", "/\\evil.example", "/")]
    [InlineData("", "https://evil.example", "/")]
    [InlineData("", "/login?reason=wrong", "/")]
    [InlineData("", null, "/")]
    [InlineData("/rag", "/rag/models", "/rag/models")]
    [InlineData("/rag", "/models", "/rag/")]
    [InlineData("/rag", "/rag/login", "/rag/")]
    [InlineData("/rag", null, "/rag/")]
    public void LocalPath_WhereToGoAfterLogin_StaysOnThisSite(string pathBase, string? asked, string expected) =>
        Assert.Equal(expected, LoginEndpoints.LocalPath(new PathString(pathBase), asked));

    private void AddWrong(string address, int times)
    {
        for (var i = 0; i < times; i++)
        {
            _guard.AddWrong(address);
        }
    }

    private sealed class ManualTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
