using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.ServiceDefaults.Http;

namespace RagPlatform.ServiceDefaults.Tests.Http;

public sealed class HttpResilienceExtensionsTests
{
    [Fact]
    public async Task IdempotentClient_TransientAnswer_IsAskedAgainWithItsBody()
    {
        var server = new ScriptedHandler(HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK);
        using var services = Build(server, client => client.AddIdempotentResilience());

        using var response = await Client(services).PostAsync(
            "http://test/", new StringContent("text"), TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(["text", "text"], server.Bodies);
    }

    [Fact]
    public async Task IdempotentClient_CallersFault_IsNotAskedAgain()
    {
        var server = new ScriptedHandler(HttpStatusCode.BadRequest, HttpStatusCode.OK);
        using var services = Build(server, client => client.AddIdempotentResilience());

        using var response = await Client(services).GetAsync("http://test/", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Single(server.Bodies);
    }

    [Fact]
    public async Task PlainClient_TransientAnswer_IsLeftToTheCaller()
    {
        var server = new ScriptedHandler(HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK);
        using var services = Build(server, _ => { });

        using var response = await Client(services).PostAsync("http://test/", null, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
    }

    [Theory]
    [InlineData(5, null)]
    [InlineData(2_000, 1_000)]
    public void IdempotentClient_TimeoutOutOfRange_IsRefused(int attempt, int? total) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new ServiceCollection().AddHttpClient("test").AddIdempotentResilience(
            TimeSpan.FromMilliseconds(attempt), total is { } value ? TimeSpan.FromMilliseconds(value) : null));

    [Theory]
    [InlineData("0123456789abcdef", null, "Bearer 0123456789abcdef")]
    [InlineData("0123456789abcdef", "Bearer own", "Bearer own")]
    [InlineData(null, null, null)]
    public async Task AdminKeyHeader_NoneStated_IsAdded(string? adminKey, string? stated, string? sent)
    {
        var server = new ScriptedHandler(HttpStatusCode.OK);
        using var services = Build(server, client => client.AddAdminKeyHeader(), adminKey);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://test/");
        request.Headers.TryAddWithoutValidation("Authorization", stated is null ? [] : [stated]);

        using var response = await Client(services).SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(sent, server.Authorization);
    }

    private static HttpClient Client(IServiceProvider services) => services.GetRequiredService<IHttpClientFactory>().CreateClient("test");

    private static ServiceProvider Build(ScriptedHandler server, Action<IHttpClientBuilder> configure, string? adminKey = null)
    {
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(new AdminKey(Options.Create(new AuthOptions { AdminKey = adminKey })));
        var client = services.AddHttpClient("test").ConfigurePrimaryHttpMessageHandler(() => server);
        configure(client);
        return services.BuildServiceProvider();
    }
}
