using RagPlatform.EmbeddingService.Caching;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Integration.Tests.Embedding;

public sealed class DurableKeysTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _test = Guid.NewGuid().ToString("n")[..8];
    private ScriptedEmbeddingServer _provider = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _provider = await ScriptedEmbeddingServer.StartAsync();

    public ValueTask DisposeAsync() => _provider.DisposeAsync();

    [Fact]
    public async Task Embed_AnotherReplicaWroteMeanwhile_IsFound()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        var keys = second.Get<DurableKeys>();
        await WaitAsync(() => keys.IsFollowing && !keys.MayHave(second.KeyOf($"{_test} never")));

        await first.EmbedAsync([$"{_test} shared"]);
        await first.FlushAsync();
        await WaitAsync(() => keys.IsFollowing && keys.MayHave(second.KeyOf($"{_test} shared")));
        var answer = await second.EmbedAsync([$"{_test} shared", $"{_test} new"]);

        Assert.Equal("l1=0, l2=0, l3=1, joined=0, source=1", answer.Tiers);
        Assert.Equal(Replica.Right($"{_test} shared"), answer.Vectors[0]);
    }

    [Fact]
    public async Task Embed_WrittenByThisReplica_IsFoundAtOnce()
    {
        await using var replica = await StartAsync();
        await WaitAsync(() => replica.Get<DurableKeys>().IsFollowing);
        string[] text = [$"{_test} own"];
        await replica.EmbedAsync(text);
        Assert.True(replica.Get<DurableKeys>().MayHave(replica.KeyOf(text[0])));
        await replica.FlushAsync();
        replica.Get<MemoryTier>().Remove(replica.KeyOf(text[0]));

        Assert.Equal("l1=0, l2=0, l3=1, joined=0, source=0", (await replica.EmbedAsync(text)).Tiers);
    }

    [Fact]
    public async Task Start_WithVectorsInPostgres_ReadsTheirKeys()
    {
        await using (var before = await StartAsync())
        {
            await before.EmbedAsync([$"{_test} old"]);
            await before.FlushAsync();
        }

        await using var after = await StartAsync();
        var keys = after.Get<DurableKeys>();
        await WaitAsync(() => keys.IsFollowing && !keys.MayHave(after.KeyOf($"{_test} never")));

        Assert.True(keys.MayHave(after.KeyOf($"{_test} old")));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    public async Task Embed_MoreKeysThanMayBeKnown_AsksPostgresAlways(string most)
    {
        await using var replica = await StartAsync(("Embedding:Cache:DurableKeysInMemory", most));
        string[] texts = [$"{_test} a", $"{_test} b", $"{_test} c"];
        await replica.EmbedAsync(texts);
        await replica.FlushAsync();

        await using var second = await StartAsync(("Embedding:Cache:DurableKeysInMemory", most));

        Assert.True(second.Get<DurableKeys>().MayHave(second.KeyOf($"{_test} never")));
        Assert.Equal("l1=0, l2=0, l3=3, joined=0, source=0", (await second.EmbedAsync(texts)).Tiers);
    }

    private Task<Replica> StartAsync(params (string, string)[] settings) =>
        Replica.StartAsync(_provider, database.ConnectionString, null, database.KeyPrefix + _test, settings);

    private static async Task WaitAsync(Func<bool> condition)
    {
        for (var i = 0; i < 600 && !condition(); i++)
        {
            await Task.Delay(50, Token);
        }

        Assert.True(condition());
    }
}
