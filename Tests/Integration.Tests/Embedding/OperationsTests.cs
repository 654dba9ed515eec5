using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Operations;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Integration.Tests.Embedding;

public sealed class OperationsTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _test = Guid.NewGuid().ToString("n")[..8];
    private ScriptedEmbeddingServer _provider = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _provider = await ScriptedEmbeddingServer.StartAsync(1536);

    public ValueTask DisposeAsync() => _provider.DisposeAsync();

    [Fact]
    public async Task Cache_TextsAreInvalidated_OnlyTheyArePaidAgain()
    {
        await using var replica = await StartAsync();
        string[] texts = [$"{_test} a", $"{_test} b"];
        await replica.EmbedAsync(texts);
        await replica.FlushAsync();

        var removed = await PostAsync(replica, "invalidate", new { model = Replica.Model, dimensions = Replica.Dimensions, texts = texts[..1] });

        Assert.Equal((1, 1, 1), (removed.GetProperty("l1").GetInt32(), removed.GetProperty("l2").GetInt32(), removed.GetProperty("l3").GetInt32()));
        Assert.Equal("l1=1, l2=0, l3=0, joined=0, source=1", (await replica.EmbedAsync(texts)).Tiers);
    }

    [Fact]
    public async Task Cache_ModelIsInvalidated_NothingOfItIsLeft()
    {
        await using var replica = await StartAsync();
        string[] texts = [.. Enumerable.Range(0, 30).Select(i => $"{_test} {i}")];
        await replica.EmbedAsync(texts);
        await replica.FlushAsync();

        var removed = await PostAsync(replica, "invalidate", new { model = Replica.Model, dimensions = Replica.Dimensions, all = true });

        Assert.True(removed.GetProperty("l1").GetInt32() >= 30 && removed.GetProperty("l2").GetInt32() >= 30 && removed.GetProperty("l3").GetInt32() >= 30);
        Assert.Equal("l1=0, l2=0, l3=0, joined=0, source=30", (await replica.EmbedAsync(texts)).Tiers);
    }

    [Fact]
    public async Task Cache_AgeIsInvalidated_YoungerOnesStay()
    {
        await using var replica = await StartAsync();
        await replica.EmbedAsync([$"{_test} a"]);
        await replica.FlushAsync();

        var removed = await PostAsync(replica, "invalidate", new { olderThanSeconds = 3600 });

        Assert.Equal(0, removed.GetProperty("l1").GetInt32() + removed.GetProperty("l3").GetInt32());
        Assert.Equal(HttpStatusCode.BadRequest, (await replica.Http.PostAsJsonAsync("/v1/cache/invalidate", new { }, Token)).StatusCode);
    }

    [Fact]
    public async Task Cache_Report_CountsTiers()
    {
        await using var replica = await StartAsync();
        await replica.EmbedAsync([$"{_test} a", $"{_test} b"]);
        await replica.EmbedAsync([$"{_test} a"]);
        await replica.FlushAsync();

        var tiers = (await replica.Http.GetFromJsonAsync<JsonElement>("/v1/cache", Token)).GetProperty("tiers").EnumerateArray()
            .ToDictionary(tier => tier.GetProperty("name").GetString()!);

        Assert.Equal((2, 1, 2), (tiers["l1"].GetProperty("entries").GetInt32(), tiers["l1"].GetProperty("hits").GetInt32(), tiers["l1"].GetProperty("misses").GetInt32()));
        Assert.Equal("on", tiers["l2"].GetProperty("state").GetString());
        Assert.True(tiers["l3"].GetProperty("entries").GetInt64() >= 2);
        Assert.Equal(JsonValueKind.String, tiers["l3"].GetProperty("oldest").ValueKind);
        Assert.Equal(2, tiers["source"].GetProperty("hits").GetInt32());
    }

    [Fact]
    public async Task Warm_TextsOrFrequentQueries_AreInMemoryAfterwards()
    {
        string[] texts = [$"{_test} often", $"{_test} seldom"];
        await using (var first = await StartAsync())
        {
            await PostAsync(first, "warm", new { model = Replica.Model, texts });
            for (var i = 0; i < 3; i++)
            {
                await QueryAsync(first, texts[0]);
            }

            await QueryAsync(first, texts[1]);
            await first.Get<QueryCounter>().FlushAsync(Token);
            await first.FlushAsync();
        }

        await using var second = await StartAsync();
        var warmed = await second.Get<CacheOperations>().WarmFrequentAsync(_test, 1, Token);

        Assert.Equal(new CacheWarmed(1, 0, 1, 0, 0, 0), warmed);
        Assert.Equal(2, _provider.TextCount);
        Assert.True(second.Get<MemoryTier>().TryGet(KeyOf(second, texts[0]), out _));
        Assert.False(second.Get<MemoryTier>().TryGet(KeyOf(second, texts[1]), out _));
    }

    [Fact]
    public async Task Alias_OtherShare_IsStickyPerWorkspaceAndFollowedByAllReplicas()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        using var put = await first.Http.PutAsJsonAsync(
            $"/v1/registry/aliases/{_test}", new { model = "hashing", otherModel = Replica.Model, otherShare = 0.3 }, Token);
        Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
        await second.Get<RegistryUpdater>().RefreshAsync(Token);
        var (a, b) = (first.Get<ModelAliases>(), second.Get<ModelAliases>());

        var models = Enumerable.Range(0, 1_000).Select(i => a.Resolve(_test, $"w{i}", "hashing")).ToList();

        Assert.InRange(models.Count(model => model == Replica.Model), 250, 350);
        Assert.Equal(models, Enumerable.Range(0, 1_000).Select(i => b.Resolve(_test, $"w{i}", "hashing")));
        Assert.Equal("hashing", a.Resolve("default", "w", "hashing"));
        Assert.Equal(HttpStatusCode.NotFound, (await first.Http.PutAsJsonAsync($"/v1/registry/aliases/x{_test}", new { model = "nope" }, Token)).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await first.Http.DeleteAsync($"/v1/registry/aliases/{_test}", Token)).StatusCode);
    }

    [Fact]
    public async Task Registry_ModelIsAdded_ItIsServedByAllReplicas()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        var name = "own/" + _test;

        using var refused = await first.Http.PutAsJsonAsync($"/v1/registry/models/{name}", new { providers = new[] { "openai" } }, Token);
        using var put = await first.Http.PutAsJsonAsync($"/v1/registry/models/{name}", new { providers = new[] { "openai" }, dimensions = 1536, queryPrompt = "q: " }, Token);
        await second.Get<RegistryUpdater>().RefreshAsync(Token);

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
        using var answer = await second.Http.PostAsJsonAsync("/v1/embeddings", new { model = name, input = "x" }, Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("q: ", (await second.Http.GetFromJsonAsync<JsonElement>($"/v1/models/{name}", Token)).GetProperty("space").GetProperty("queryPrompt").GetString());
        Assert.Equal(HttpStatusCode.NoContent, (await first.Http.DeleteAsync($"/v1/registry/models/{name}", Token)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await first.Http.GetAsync($"/v1/models/{name}", Token)).StatusCode);
    }

    [Fact]
    public async Task Canary_EndpointServesAnotherModel_IsTakenOutUntilItServesTheRightOne()
    {
        (string, string)[] settings =
        [
            ("Embedding:Models:0:Name", "canary" + _test), ("Embedding:Models:0:Providers:0", "openai"), ("Embedding:Models:0:Dimensions", "1536"),
        ];
        await using (var first = await StartAsync(settings))
        {
            await first.Http.PostAsJsonAsync("/v1/embeddings", new { model = "canary" + _test, input = "x" }, Token);
            await first.Get<CanaryCheck>().CheckAsync(true, Token);
            Assert.True(first.Get<ModelRegistry>().Find("canary" + _test)!.Healthy);
        }

        // Another model of the same dimensions behind the same name.
        await using var second = await StartAsync([.. settings, ("Embedding:Models:0:ProviderModel", "another-model")]);
        await second.Get<CanaryCheck>().CheckAsync(true, Token);

        Assert.False(second.Get<ModelRegistry>().Find("canary" + _test)!.Healthy);
        using var answer = await second.Http.PostAsJsonAsync("/v1/embeddings", new { model = "canary" + _test, input = "y" }, Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
    }

    private async Task QueryAsync(Replica replica, string text)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/embeddings") { Content = JsonContent.Create(new { model = Replica.Model, input = text }) };
        request.Headers.Add("x-rag-input", "query");
        request.Headers.Add("x-rag-workspace", _test);
        using var response = await replica.Http.SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    private static VectorKey KeyOf(Replica replica, string text) =>
        VectorKey.Create("", text, replica.Get<ModelRegistry>().Resolve(Replica.Model, null).Id);

    private static async Task<JsonElement> PostAsync(Replica replica, string operation, object body)
    {
        using var response = await replica.Http.PostAsJsonAsync("/v1/cache/" + operation, body, Token);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Token));
        return await response.Content.ReadFromJsonAsync<JsonElement>(Token);
    }

    private Task<Replica> StartAsync(params (string, string)[] settings) =>
        Replica.StartAsync(_provider, database.ConnectionString, database.CacheConnectionString, database.KeyPrefix + _test, settings);
}
