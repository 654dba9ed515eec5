using Microsoft.Extensions.Configuration;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.ServiceDefaults.Tests.Connections;

public sealed class CacheEndpointTests
{
    [Fact]
    public void Find_NothingConfigured_IsNoCache() => Assert.Null(Find());

    [Fact]
    public void Find_ConnectionString_WinsAsItIs()
    {
        var endpoint = Find(("ConnectionStrings:cache", "a:1,password=p"), ("REDIS_URL", "redis://b"), ("REDIS_HOST", "c"));

        Assert.Equal(new CacheEndpoint("a:1,password=p", null), endpoint);
    }

    [Theory]
    [InlineData("redis://cache", "cache:6379", null)]
    [InlineData("redis://cache:7000/3", "cache:7000,defaultDatabase=3", null)]
    [InlineData("rediss://:p%2Cw@cache:7000", "cache:7000,ssl=true", "p,w")]
    [InlineData("valkey://user:secret@cache", "cache:6379", "secret")]
    public void Find_RedisUrl_IsTranslated(string url, string connectionString, string? password) =>
        Assert.Equal(new CacheEndpoint(connectionString, password), Find(("REDIS_URL", url)));

    [Theory]
    [InlineData("http://:secret@cache")]
    [InlineData("cache:6379")]
    [InlineData("redis://:secret@cache/notanumber")]
    public void Find_RedisUrlThatIsNone_IsRefusedWithoutShowingIt(string url)
    {
        var exception = Assert.Throws<InvalidOperationException>(() => Find(("REDIS_URL", url)));

        Assert.DoesNotContain("secret", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Find_HostPortPassword_AreTakenTogether()
    {
        var endpoint = Find(("REDIS_HOST", "cache"), ("REDIS_PORT", "7000"), ("REDIS_PASSWORD", "a,b"));

        Assert.Equal(new CacheEndpoint("cache:7000", "a,b"), endpoint);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("65536")]
    [InlineData("x")]
    public void Find_PortThatIsNone_IsRefused(string port) =>
        Assert.Throws<InvalidOperationException>(() => Find(("REDIS_HOST", "cache"), ("REDIS_PORT", port)));

    private static CacheEndpoint? Find(params (string Key, string Value)[] values) => CacheEndpoint.Find(
        new ConfigurationBuilder().AddInMemoryCollection(
            values.ToDictionary(value => value.Key, value => (string?)value.Value)).Build(), "cache");
}
