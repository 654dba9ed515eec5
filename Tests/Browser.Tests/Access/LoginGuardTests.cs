using Microsoft.Extensions.Options;
using RagPlatform.Dashboard;
using RagPlatform.Dashboard.Access;

namespace RagPlatform.Browser.Tests.Access;

public sealed class LoginGuardTests
{
    private readonly ManualTime _time = new();
    private readonly LoginGuard _guard;

    public LoginGuardTests() => _guard = new(Options.Create(new DashboardOptions { LoginAttemptsPerMinute = 3 }), _time);

    [Fact]
    public void WaitOf_FewerWrongKeysThanAllowed_IsZero()
    {
        AddWrong("10.0.0.1", 2);

        Assert.Equal(TimeSpan.Zero, _guard.WaitOf("10.0.0.1"));
    }

    [Fact]
    public void WaitOf_TooManyWrongKeys_IsTheRestOfTheMinuteForThatAddressOnly()
    {
        AddWrong("10.0.0.1", 3);
        _time.Now += TimeSpan.FromSeconds(20);

        Assert.Equal(TimeSpan.FromSeconds(40), _guard.WaitOf("10.0.0.1"));
        Assert.Equal(TimeSpan.Zero, _guard.WaitOf("10.0.0.2"));
    }

    [Fact]
    public void WaitOf_AfterAMinute_IsZeroAgain()
    {
        AddWrong("10.0.0.1", 3);
        _time.Now += TimeSpan.FromMinutes(1);

        Assert.Equal(TimeSpan.Zero, _guard.WaitOf("10.0.0.1"));
    }

    [Fact]
    public void WaitOf_ManyAddresses_HoldsEverybody()
    {
        for (var i = 0; i < 60; i++)
        {
            AddWrong($"10.0.1.{i}", 1);
        }

        Assert.Equal(TimeSpan.FromMinutes(1), _guard.WaitOf("10.0.0.1"));
    }

    [Fact]
    public void Forget_AfterTheRightKey_StartsAnew()
    {
        AddWrong("10.0.0.1", 2);
        _guard.Forget("10.0.0.1");
        AddWrong("10.0.0.1", 2);

        Assert.Equal(TimeSpan.Zero, _guard.WaitOf("10.0.0.1"));
    }

    [Theory]
    [InlineData("/search?workspace=docs", "/search?workspace=docs")]
    [InlineData("//evil.example", "/")]
    [InlineData("/\\evil.example", "/")]
    [InlineData("https://evil.example", "/")]
    [InlineData("/login?reason=wrong", "/")]
    [InlineData(null, "/")]
    public void LocalPath_WhereToGoAfterLogin_StaysOnThisSite(string? asked, string expected) =>
        Assert.Equal(expected, LoginEndpoints.LocalPath(asked));

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
