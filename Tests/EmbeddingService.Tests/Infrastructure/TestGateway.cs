using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.EmbeddingService.Providers;

namespace RagPlatform.EmbeddingService.Tests.Infrastructure;

/// <summary>The service in memory: no socket, no database, no Valkey, a scripted provider.</summary>
internal sealed class TestGateway : IAsyncDisposable
{
    public const string AdminKey = "test-admin-key-0123456789";

    private readonly WebApplication _app;

    private TestGateway(WebApplication app, HttpClient client)
    {
        _app = app;
        Client = client;
    }

    public HttpClient Client { get; }

    public IServiceProvider Services => _app.Services;

    public static async Task<TestGateway> StartAsync(HttpMessageHandler? provider = null, params (string Key, string Value)[] settings)
    {
        var app = EmbeddingServiceApp.Build([], builder =>
        {
            builder.WebHost.UseTestServer();
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Auth:AdminKey"] = AdminKey,
                ["OPENAI_API_KEY"] = "provider-key",
                ["EMBEDDINGS_PROVIDER"] = "hashing",
                // It asks providers by itself: tests that count calls would now and then count one of its own.
                ["Embedding:Canary:Enabled"] = "false",
            });
            builder.Configuration.AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value));
            builder.Services.AddSingleton(new ProviderHttp(provider ?? new RefusingHandler()));
        });
        await app.StartAsync();
        var client = app.GetTestClient();
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        return new TestGateway(app, client);
    }

    public async Task<(int Status, JsonElement Body, HttpResponseHeaders Headers)> PostAsync(object body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/embeddings") { Content = JsonContent.Create(body) };
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        using var response = await Client.SendAsync(request);
        return ((int)response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>(), response.Headers);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
    }

    private sealed class RefusingHandler : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("This test must not call a provider.");
    }
}
