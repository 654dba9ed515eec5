using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using RagPlatform.EmbeddingService;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Embedding;

/// <summary>One replica of the embedding service: a real listener, over real servers and a scripted provider.</summary>
internal sealed class Replica : IAsyncDisposable
{
    public const string AdminKey = "integration-tests-admin-key";
    public const string Model = "text-embedding-3-small";
    public const int Dimensions = 64;

    private readonly WebApplication _app;

    private Replica(WebApplication app)
    {
        _app = app;
        Http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
    }

    public HttpClient Http { get; }

    public IServiceProvider Services => _app.Services;

    public TierStatistics Statistics => Services.GetRequiredService<TierStatistics>();

    public static async Task<Replica> StartAsync(
        ScriptedEmbeddingServer provider, string? database, string? cache, string keyPrefix, params (string Key, string Value)[] settings)
    {
        var app = EmbeddingServiceApp.Build([], builder =>
        {
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:ragdb"] = database,
                ["ConnectionStrings:cache"] = cache,
                ["Auth:AdminKey"] = AdminKey,
                ["Auth:KeyCacheDuration"] = "00:00:00",
                ["OPENAI_BASE_URL"] = provider.Address.ToString(),
                ["OPENAI_API_KEY"] = "provider-key",
                ["EMBEDDINGS_PROVIDER"] = "hashing",
                ["Embedding:Cache:KeyPrefix"] = keyPrefix + "embedding",
                ["Embedding:Cache:WarmAfterStart"] = "0",
                ["Embedding:Cache:DurableTimeout"] = "00:00:02",
                ["Embedding:Providers:openai:RequestsPerMinute"] = "0",
                ["Embedding:Canary:Enabled"] = "false",
                ["Cache:CommandTimeout"] = "00:00:02",
            });
            builder.Configuration.AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value));
        });
        await app.StartAsync();
        var replica = new Replica(app);
        await replica.WaitUntilConnectedAsync(database is not null, cache is not null);
        return replica;
    }

    /// <summary>Embeds texts over HTTP, as an SDK does.</summary>
    public async Task<Answer> EmbedAsync(IReadOnlyList<string> texts, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/embeddings")
        {
            Content = JsonContent.Create(new { model = Model, input = texts, dimensions = Dimensions, encoding_format = "base64" }),
        };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await Http.SendAsync(request);
        var body = await response.Content.ReadFromJsonAsync<JsonElement>();
        return new Answer(
            (int)response.StatusCode,
            response.Headers.TryGetValues("x-rag-cache", out var tiers) ? tiers.Single() : "",
            response.IsSuccessStatusCode
                ? [.. body.GetProperty("data").EnumerateArray().Select(item => MemoryMarshal.Cast<byte, float>(item.GetProperty("embedding").GetBytesFromBase64()).ToArray())]
                : [],
            body,
            response.Headers.RetryAfter?.Delta);
    }

    public static float[] Right(string text) => ScriptedEmbeddingServer.Embed(Model, text, Dimensions);

    public VectorKey KeyOf(string text) => VectorKey.Create("", text, Space);

    public string Space => Services.GetRequiredService<EmbeddingService.Registry.ModelRegistry>().Resolve(Model, Dimensions).Id;

    /// <summary>Waits until every vector that was answered is in every tier: answers do not wait for the copies.</summary>
    public async Task FlushAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (Get<VectorFetcher>().Fetching > 0)
        {
            await Task.Delay(5, limit.Token);
        }

        await Get<DurableTier>().FlushAsync(CancellationToken.None);
    }

    public T Get<T>()
        where T : notnull => Services.GetRequiredService<T>();

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private async Task WaitUntilConnectedAsync(bool database, bool cache)
    {
        if (database)
        {
            await Get<SchemaMigrator>().Ready.WaitAsync(TimeSpan.FromMinutes(1));
        }

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (cache && !Get<CacheConnection>().IsAvailable)
        {
            await Task.Delay(20, limit.Token);
        }
    }
}

/// <summary>What a replica answered.</summary>
internal sealed record Answer(int Status, string Tiers, float[][] Vectors, JsonElement Body, TimeSpan? RetryAfter)
{
    public string? Code => Body.GetProperty("error").GetProperty("code").GetString();
}
