using Microsoft.Extensions.Configuration;

namespace RagPlatform.ServiceDefaults.Tests;

public sealed class ServiceAddressTests
{
    [Fact]
    public void Get_HttpOnly_ReturnsHttp()
    {
        var configuration = Configure(("services:search-api:http:0", "http://localhost:5180"));

        Assert.Equal(new Uri("http://localhost:5180"), ServiceAddress.Get(configuration, "search-api"));
    }

    [Fact]
    public void Get_Both_PrefersHttps()
    {
        var configuration = Configure(("services:search-api:http:0", "http://a"), ("services:search-api:https:0", "https://b"));

        Assert.Equal(new Uri("https://b"), ServiceAddress.Get(configuration, "search-api"));
    }

    [Fact]
    public void Get_NothingConfigured_NamesTheVariable()
    {
        var exception = Assert.Throws<InvalidOperationException>(() => ServiceAddress.Get(Configure(), "search-api"));

        Assert.Contains("services__search-api__http__0", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("localhost:5180")]
    [InlineData("/relative")]
    [InlineData("ftp://host")]
    public void Get_NoHttpAddress_IsRefused(string value) =>
        Assert.Throws<InvalidOperationException>(() => ServiceAddress.Get(Configure(("services:x:http:0", value)), "x"));

    [Fact]
    public void Find_EmptyValue_IsNotConfigured() => Assert.Null(ServiceAddress.Find(Configure(("services:x:http:0", "")), "x"));

    private static IConfiguration Configure(params (string Key, string Value)[] values) =>
        new ConfigurationBuilder().AddInMemoryCollection(values.ToDictionary(value => value.Key, value => (string?)value.Value)).Build();
}
