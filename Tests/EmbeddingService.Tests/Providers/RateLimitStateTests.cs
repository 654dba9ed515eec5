using RagPlatform.EmbeddingService.Providers;

namespace RagPlatform.EmbeddingService.Tests.Providers;

public sealed class RateLimitStateTests
{
    private static readonly DateTimeOffset s_now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Theory]
    [InlineData("1s", 1)]
    [InlineData("6m0s", 360)]
    [InlineData("20ms", 0.02)]
    [InlineData("1h2m3.5s", 3723.5)]
    [InlineData("1m30ms", 60.03)]
    [InlineData("nonsense", 0)]
    [InlineData("", 0)]
    [InlineData(null, 0)]
    [InlineData("999h", 86400)]
    public void Duration_Text_IsRead(string? text, double seconds) => Assert.Equal(seconds, RateLimitState.Duration(text).TotalSeconds, 6);

    [Theory]
    [InlineData("retry-after", "3", 3.0)]
    [InlineData("retry-after", "0.5", 0.5)]
    [InlineData("retry-after", "Fri, 02 Jan 2026 03:04:15 GMT", 10.0)]
    [InlineData("retry-after", "Fri, 02 Jan 2026 03:04:00 GMT", 0.0)]
    [InlineData("retry-after-ms", "250", 0.25)]
    [InlineData("retry-after", "soon", null)]
    [InlineData("other", "3", null)]
    public void RetryAfter_Header_IsRead(string name, string value, double? seconds) =>
        Assert.Equal(seconds, RateLimitState.RetryAfter(asked => asked == name ? value : null, s_now)?.TotalSeconds);

    [Fact]
    public void Read_Headers_AreRead()
    {
        var headers = new Dictionary<string, string>
        {
            ["x-ratelimit-remaining-requests"] = "59",
            ["x-ratelimit-reset-requests"] = "1s",
            ["x-ratelimit-remaining-tokens"] = "149984",
            ["x-ratelimit-reset-tokens"] = "6m0s",
        };

        Assert.Equal(new RateLimitState(59, TimeSpan.FromSeconds(1), 149984, TimeSpan.FromMinutes(6)), RateLimitState.Read(headers.GetValueOrDefault));
        Assert.Null(RateLimitState.Read(_ => null));
    }
}
