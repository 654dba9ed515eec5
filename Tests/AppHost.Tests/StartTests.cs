using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace RagPlatform.AppHost.Tests;

/// <summary>The application, started with real containers.</summary>
public sealed class StartTests(RunningAppHost host) : IClassFixture<RunningAppHost>
{
    private static readonly TimeSpan s_requestTimeout = TimeSpan.FromMinutes(2);

    [Theory]
    [InlineData("embedding-service")]
    [InlineData("indexing-worker")]
    [InlineData("search-api")]
    [InlineData("dashboard")]
    public async Task Service_Started_IsHealthyAndAlive(string service)
    {
        host.SkipUnlessStarted();
        using var timeout = Timeout();
        using var client = host.App.CreateHttpClient(service, "http");

        foreach (var path in (string[])["/health", "/alive", "/metrics"])
        {
            using var response = await client.GetAsync(path, timeout.Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
    }

    [Fact]
    public async Task Search_DocumentThatWasPut_IsFoundInEveryMode()
    {
        host.SkipUnlessStarted();
        using var timeout = Timeout();
        using var client = CreateApiClient();
        await EnsureSuccessAsync(await client.PostAsJsonAsync("v1/workspaces", new { name = "apphost" }, timeout.Token), timeout.Token);

        using var put = new HttpRequestMessage(HttpMethod.Put, "v1/workspaces/apphost/documents/heron")
        {
            Content = JsonContent.Create(
                new { title = "Birds", text = "The grey heron stands still in shallow water until a fish comes near." }),
        };
        put.Headers.Add("Prefer", "wait=60");
        await EnsureSuccessAsync(await client.SendAsync(put, timeout.Token), timeout.Token);

        foreach (var mode in (string[])["keyword", "vector", "hybrid"])
        {
            using var response = await client.PostAsJsonAsync(
                "v1/workspaces/apphost/search", new { query = "grey heron", mode }, timeout.Token);
            var answer = await EnsureSuccessAsync(response, timeout.Token);
            Assert.Equal("heron", (string?)answer?["hits"]?[0]?["documentId"]);
        }
    }

    [Fact]
    public async Task Search_WithoutKey_IsRefused()
    {
        host.SkipUnlessStarted();
        using var timeout = Timeout();
        using var client = host.App.CreateHttpClient("search-api", "http");

        using var response = await client.GetAsync("v1/workspaces", timeout.Token);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    private static CancellationTokenSource Timeout()
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        source.CancelAfter(s_requestTimeout);
        return source;
    }

    // A plain client: the one that Aspire makes retries, and would hide an error behind a second attempt.
    private HttpClient CreateApiClient()
    {
        var client = new HttpClient { BaseAddress = host.App.GetEndpoint("search-api", "http"), Timeout = s_requestTimeout };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", RunningAppHost.AdminKey);
        return client;
    }

    private static async Task<JsonNode?> EnsureSuccessAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var body = await response.Content.ReadAsStringAsync(cancellationToken);
        Assert.True(response.IsSuccessStatusCode, $"{(int)response.StatusCode}: {body}");
        return body.Length == 0 ? null : JsonNode.Parse(body);
    }
}
