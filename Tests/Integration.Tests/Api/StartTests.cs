using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using RagPlatform.SearchApi;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>A service that is started before its database is there.</summary>
public sealed class StartTests
{
    [Fact]
    public async Task Request_TheDatabaseHasNeverBeenReached_Is503AndTheInstanceGetsNoTraffic()
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var app = SearchApiApp.Build([], builder =>
        {
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:ragdb"] = $"Host=127.0.0.1;Port={FindClosedPort()};Database=none;Username=nobody",
                ["services:embedding-service:http:0"] = "http://embedding-service.invalid",
                ["Auth:AdminKey"] = ApiFixture.AdminKey,
            });
        });
        await app.StartAsync(cancellation);
        using var http = new HttpClient { BaseAddress = new(app.Urls.First()) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", ApiFixture.AdminKey);

        using var list = await http.GetAsync("/v1/workspaces", cancellation);
        using var health = await http.GetAsync("/health", cancellation);
        using var alive = await http.GetAsync("/alive", cancellation);
        using var description = await http.GetAsync("/openapi/v1.json", cancellation);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, list.StatusCode);
        Assert.Equal("application/problem+json", list.Content.Headers.ContentType?.MediaType);
        Assert.NotNull(list.Headers.RetryAfter);
        Assert.Equal(
            (HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK, HttpStatusCode.OK), (health.StatusCode, alive.StatusCode, description.StatusCode));
    }

    [Fact]
    public void Build_NoEmbeddingService_SaysWhichSettingIsMissing()
    {
        var error = Assert.Throws<InvalidOperationException>(() => SearchApiApp.Build([]));

        Assert.Contains("services__embedding-service__http__0", error.Message, StringComparison.Ordinal);
    }

    private static int FindClosedPort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
