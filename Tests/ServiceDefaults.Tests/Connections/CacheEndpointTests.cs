using System.Net;
using Microsoft.Extensions.Configuration;
using RagPlatform.ServiceDefaults.Connections;
using StackExchange.Redis;

namespace RagPlatform.ServiceDefaults.Tests.Connections;

public sealed class CacheEndpointTests
{
    /// <summary>Every printable character of ASCII.</summary>
    internal static readonly string EveryCharacter = string.Concat(Enumerable.Range(33, 94).Select(i => (char)i));

    [Fact]
    public void Find_NothingConfigured_IsNoCache() => Assert.Null(Find());

    [Fact]
    public void Find_ConnectionString_Wins()
    {
        var endpoint = Find(("ConnectionStrings:cache", "a:1,user=u,password=p,connectTimeout=77"), ("REDIS_URL", "redis://b"), ("REDIS_HOST", "c"));

        Assert.Equal(("a:1", "u", "p", 77), (Server(endpoint), endpoint!.User, endpoint.Password, endpoint.ConnectTimeout));
    }

    [Theory]
    [InlineData("redis://cache", "cache:6379", null, null, false, null)]
    [InlineData("redis://cache:7000/3", "cache:7000", null, null, false, 3)]
    [InlineData("redis://127.0.0.1:7000", "127.0.0.1:7000", null, null, false, null)]
    [InlineData("redis://[::1]:7000/0", "[::1]:7000", null, null, false, 0)]
    [InlineData("redis://[fd00::7]", "[fd00::7]:6379", null, null, false, null)]
    [InlineData("rediss://:p%2Cw@cache:7000", "cache:7000", null, "p,w", true, null)]
    [InlineData("valkeys://app:p%3Aw@[::1]:7000/15", "[::1]:7000", "app", "p:w", true, 15)]
    [InlineData("valkey://us%40er:secret@cache", "cache:6379", "us@er", "secret", false, null)]
    public void Find_Address_SaysServerUserPasswordTlsAndDatabase(
        string url, string server, string? user, string? password, bool tls, int? database)
    {
        foreach (var key in (string[])["REDIS_URL", "ConnectionStrings:cache"])
        {
            var endpoint = Find((key, url))!;

            Assert.Equal((server, user, password, tls), (Server(endpoint), endpoint.User, endpoint.Password, endpoint.Ssl));
            Assert.Equal(database, endpoint.DefaultDatabase);
        }
    }

    [Fact]
    public void Find_Password_MayHaveEveryCharacter()
    {
        var escaped = Uri.EscapeDataString(EveryCharacter);

        var ofAddress = Find(("REDIS_URL", $"redis://{escaped}:{escaped}@cache"))!;
        var ofVariables = Find(("REDIS_HOST", "::1"), ("REDIS_USER", EveryCharacter), ("REDIS_PASSWORD", EveryCharacter))!;

        Assert.Equal((EveryCharacter, EveryCharacter), (ofAddress.User, ofAddress.Password));
        Assert.Equal((EveryCharacter, EveryCharacter, "[::1]:6379"), (ofVariables.User, ofVariables.Password, Server(ofVariables)));
    }

    // The format has no way to write a comma; it must not be cut there in silence.
    [Fact]
    public void Find_PasswordOfAConnectionString_MayHaveEveryCharacterButAComma()
    {
        var password = EveryCharacter.Replace(",", "", StringComparison.Ordinal);

        Assert.Equal(password, Find(("ConnectionStrings:cache", $"cache:1,password={password}"))!.Password);
        var exception = Assert.Throws<InvalidOperationException>(() => Find(("ConnectionStrings:cache", "cache:1,password=one,secret=two")));
        Assert.DoesNotContain("secret", exception.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://:secret@cache")]
    [InlineData("redis://:secret@cache/notanumber")]
    [InlineData("redis://:secret@cache/1?x=y")]
    [InlineData("redis://:secret#x@cache")]
    [InlineData("redis://")]
    public void Find_AddressThatIsNone_IsRefusedWithoutShowingIt(string url)
    {
        var exception = Assert.Throws<InvalidOperationException>(() => Find(("REDIS_URL", url)));

        Assert.Contains("REDIS_URL", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", exception.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("65536")]
    [InlineData("x")]
    public void Find_PortThatIsNone_IsRefused(string port) =>
        Assert.Throws<InvalidOperationException>(() => Find(("REDIS_HOST", "cache"), ("REDIS_PORT", port)));

    private static string Server(ConfigurationOptions? endpoint) => Assert.Single(endpoint!.EndPoints) switch
    {
        IPEndPoint ip => ip.ToString(),
        DnsEndPoint dns => $"{dns.Host}:{dns.Port}",
        var other => other.ToString()!,
    };

    private static ConfigurationOptions? Find(params (string Key, string Value)[] values) => CacheEndpoint.Find(
        new ConfigurationBuilder().AddInMemoryCollection(
            values.ToDictionary(value => value.Key, value => (string?)value.Value)).Build(), "cache");
}
