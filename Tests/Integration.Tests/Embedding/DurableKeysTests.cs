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

    [Fact]
    public async Task Follow_WhatAnotherReplicaWrote_EachKeyIsReadAboutOnce()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        var keys = second.Get<DurableKeys>();
        await WaitAsync(() => keys.IsFollowing && !keys.MayHave(second.KeyOf($"{_test} never")));
        var before = keys.Followed;

        await first.EmbedAsync([.. Enumerable.Range(0, 100).Select(i => $"{_test} {i}")]);
        await first.FlushAsync();
        await WaitAsync(() => Enumerable.Range(0, 100).All(i => keys.MayHave(second.KeyOf($"{_test} {i}"))));
        await Task.Delay(TimeSpan.FromSeconds(1.2), Token);

        Assert.InRange(keys.Followed - before, 100, 200);
    }

    [Fact]
    public async Task Follow_TransactionCommitsLate_IsNotMissed()
    {
        await using var replica = await StartAsync();
        var keys = replica.Get<DurableKeys>();
        await WaitAsync(() => keys.IsFollowing && !keys.MayHave(replica.KeyOf($"{_test} never")));
        await using var connection = await database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await connection.BeginTransactionAsync(Token);
        await using var late = new Npgsql.NpgsqlCommand("INSERT INTO embedding_cache (space, text_hash, value) VALUES ($1, $2, '')", connection, transaction)
        {
            Parameters = { new() { Value = replica.Space }, new() { Value = replica.KeyOf($"{_test} late").HashBytes() } },
        };
        await late.ExecuteNonQueryAsync(Token);

        // Others commit meanwhile, and are read.
        var before = keys.Followed;
        await replica.EmbedAsync([$"{_test} early"]);
        await replica.FlushAsync();
        await WaitAsync(() => keys.Followed > before);
        Assert.False(keys.MayHave(replica.KeyOf($"{_test} late")));
        await transaction.CommitAsync(Token);

        await WaitAsync(() => keys.MayHave(replica.KeyOf($"{_test} late")));
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
