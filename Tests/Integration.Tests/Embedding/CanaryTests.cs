using System.Net;
using System.Net.Http.Json;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Integration.Tests.Embedding;

/// <summary>What becomes of an endpoint that was found to serve another model, and of its vectors.</summary>
public sealed class CanaryTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _test = Guid.NewGuid().ToString("n")[..8];
    private ScriptedEmbeddingServer _provider = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Model => "canary" + _test;

    public async ValueTask InitializeAsync() => _provider = await ScriptedEmbeddingServer.StartAsync(16);

    public ValueTask DisposeAsync() => _provider.DisposeAsync();

    [Fact]
    public async Task Found_OnOneReplica_AllForgetWhatItAnsweredAndStayAwayFromIt()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        await EmbedAsync(first, "good");
        await EmbedAsync(second, "good");
        await first.FlushAsync();
        await first.Get<CanaryCheck>().CheckAsync(true, Token);
        Assert.True(Healthy(first));

        // Another model behind the same name: what it answers goes into every tier of both replicas.
        _provider.Script = _ => new ScriptedAnswer(Fault: ScriptedFault.OtherModel);
        await EmbedAsync(first, "bad");
        await first.FlushAsync();
        await EmbedAsync(second, "bad");
        await first.Get<CanaryCheck>().CheckAsync(true, Token);
        await second.Get<ImpostorWatch>().FollowAsync(Token);

        Assert.False(Healthy(first) || Healthy(second));
        Assert.All([first, second], replica => Assert.False(replica.Get<MemoryTier>().TryGet(KeyOf(replica, "bad"), out _)));
        Assert.Null((await first.Get<ValkeyTier>().GetAsync([KeyOf(first, "bad")], 16, Token))[0]);
        Assert.Null((await first.Get<DurableTier>().GetAsync([KeyOf(first, "bad")], 16, Token))[0]);

        // What was written before the last good check is kept where it is known when that was.
        Assert.NotNull((await first.Get<DurableTier>().GetAsync([KeyOf(first, "good")], 16, Token))[0]);
        Assert.Equal(HttpStatusCode.OK, await EmbedAsync(first, "good"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await EmbedAsync(second, "bad"));

        // A change of the registry, and a restart, put it not back in use.
        using var put = await first.Http.PutAsJsonAsync($"/v1/registry/models/x{_test}", new { providers = new[] { "openai" }, dimensions = 8 }, Token);
        Assert.Equal(HttpStatusCode.NoContent, put.StatusCode);
        await second.Get<RegistryUpdater>().RefreshAsync(Token);
        await using var third = await StartAsync();
        Assert.All([first, second], replica => Assert.False(Healthy(replica)));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await EmbedAsync(third, "bad"));

        // Once it answers the right vectors, one replica's check is enough for all.
        _provider.Script = _ => new ScriptedAnswer();
        await third.Get<CanaryCheck>().CheckAsync(true, Token);
        await first.Get<ImpostorWatch>().FollowAsync(Token);
        Assert.True(Healthy(first) && Healthy(third));
        Assert.Equal(HttpStatusCode.OK, await EmbedAsync(first, "bad"));
    }

    private VectorKey KeyOf(Replica replica, string text) =>
        VectorKey.Create("", $"{_test} {text}", replica.Get<ModelRegistry>().Resolve(Model, null).Id);

    private bool Healthy(Replica replica) => replica.Get<ModelRegistry>().Find(Model)!.Healthy;

    private async Task<HttpStatusCode> EmbedAsync(Replica replica, string text)
    {
        using var response = await replica.Http.PostAsJsonAsync("/v1/embeddings", new { model = Model, input = $"{_test} {text}" }, Token);
        return response.StatusCode;
    }

    private Task<Replica> StartAsync() => Replica.StartAsync(
        _provider, database.ConnectionString, database.CacheConnectionString, database.KeyPrefix + _test,
        ("Embedding:Models:0:Name", Model), ("Embedding:Models:0:Providers:0", "openai"), ("Embedding:Models:0:Dimensions", "16"));
}
