using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Bench;

/// <summary>A replica of the embedding service in this process, over the servers of a temporary node and a scripted provider.</summary>
internal sealed class EmbedReplica : IAsyncDisposable
{
    private const string AdminKey = "bench-admin-key-0123456789";

    private readonly WebApplication _app;
    private readonly EmbeddingGateway _gateway;
    private readonly ModelRegistry _registry;

    private EmbedReplica(WebApplication app)
    {
        _app = app;
        _gateway = Get<EmbeddingGateway>();
        _registry = Get<ModelRegistry>();
        Address = new Uri(app.Urls.First());
        Http = CreateClient();
    }

    /// <summary>Where it answers.</summary>
    public Uri Address { get; }

    /// <summary>A client that holds its key.</summary>
    public HttpClient Http { get; }

    /// <summary>Starts one.</summary>
    /// <param name="node">Whose servers it uses.</param>
    /// <param name="provider">Its provider.</param>
    /// <param name="keyPrefix">What its keys in Valkey begin with: replicas with the same prefix share a cache.</param>
    /// <param name="settings">Further settings.</param>
    public static Task<EmbedReplica> StartAsync(
        EphemeralNode node, ScriptedEmbeddingServer provider, string keyPrefix, params (string Key, string? Value)[] settings) =>
        StartAsync(node, provider, keyPrefix, static _ => { }, settings);

    /// <summary>Starts one with services of the benchmark.</summary>
    /// <param name="node">Whose servers it uses.</param>
    /// <param name="provider">Its provider.</param>
    /// <param name="keyPrefix">What its keys in Valkey begin with: replicas with the same prefix share a cache.</param>
    /// <param name="configure">Adds services that go before its own.</param>
    /// <param name="settings">Further settings.</param>
    public static async Task<EmbedReplica> StartAsync(
        EphemeralNode node, ScriptedEmbeddingServer provider, string keyPrefix, Action<IServiceCollection> configure, params (string Key, string? Value)[] settings)
    {
        var app = EmbeddingServiceApp.Build([], builder =>
        {
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Configuration.AddInMemoryCollection(BenchContext.SettingsFor(provider));
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:ragdb"] = node.App.PostgresConnectionString,
                ["ConnectionStrings:cache"] = node.App.ValkeyConnectionString,
                ["Auth:AdminKey"] = AdminKey,
                ["Embedding:Models:0:AcceptsDimensions"] = "true",
                ["Embedding:Cache:KeyPrefix"] = keyPrefix,
                ["Embedding:Cache:WarmAfterStart"] = "0",
                ["Embedding:Canary:Enabled"] = "false",
            });
            builder.Configuration.AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => s.Value));
            configure(builder.Services);
        });
        await app.StartAsync().ConfigureAwait(false);
        var replica = new EmbedReplica(app);
        await replica.Get<SchemaMigrator>().Ready.ConfigureAwait(false);
        for (var i = 0; i < 500 && replica.Get<CacheConnection>() is { IsConfigured: true, IsAvailable: false }; i++)
        {
            await Task.Delay(10).ConfigureAwait(false);
        }

        return replica;
    }

    /// <summary>A service of it.</summary>
    public T Get<T>()
        where T : notnull => _app.Services.GetRequiredService<T>();

    /// <summary>A further client with connections of its own.</summary>
    public HttpClient CreateClient()
    {
        var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1_000 }) { BaseAddress = Address, Timeout = TimeSpan.FromMinutes(5) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        return http;
    }

    /// <summary>A body as an SDK sends it.</summary>
    public static byte[] Body(params IReadOnlyList<string> texts) =>
        JsonSerializer.SerializeToUtf8Bytes(new { model = BenchContext.ScriptedModel, input = texts, encoding_format = "base64" });

    /// <summary>Sends a body and reads the whole answer.</summary>
    /// <returns>Whether it was answered 200.</returns>
    public static async Task<bool> PostAsync(HttpClient http, byte[] body, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/embeddings") { Content = content };
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);

        // To the last byte, but not kept: what a client does with an answer is not what is measured.
        await response.Content.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        return response.IsSuccessStatusCode;
    }

    /// <summary>A call inside the process.</summary>
    public EmbeddingCall Call(IReadOnlyList<string> texts, int? dimensions = null, string workspace = "") =>
        new(_registry.Resolve(BenchContext.ScriptedModel, dimensions), texts, EmbeddingInput.Document, true, workspace, "");

    /// <summary>Embeds inside the process.</summary>
    public ValueTask<EmbeddingResult> EmbedAsync(EmbeddingCall call, CancellationToken cancellationToken) => _gateway.EmbedAsync(call, cancellationToken);

    /// <summary>Waits until everything is in PostgreSQL.</summary>
    public Task FlushAsync() => Get<DurableTier>().FlushAsync(CancellationToken.None);

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
    }
}
