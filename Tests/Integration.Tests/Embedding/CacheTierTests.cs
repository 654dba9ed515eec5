using Npgsql;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.SingleNode.ScriptedProvider;
using StackExchange.Redis;

namespace RagPlatform.Integration.Tests.Embedding;

public sealed class CacheTierTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _test = Guid.NewGuid().ToString("n")[..8];
    private ScriptedEmbeddingServer _provider = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _provider = await ScriptedEmbeddingServer.StartAsync();

    public ValueTask DisposeAsync() => _provider.DisposeAsync();

    [Fact]
    public async Task Embed_AfterRestartAndAFlushOfValkey_IsFoundInTheTierBelow()
    {
        var texts = Texts(50);
        await using (var first = await StartAsync())
        {
            AssertRight(texts, await first.EmbedAsync(texts), "l1=0, l2=0, l3=0, joined=0, source=50");
            AssertRight(texts, await first.EmbedAsync(texts), "l1=50, l2=0, l3=0, joined=0, source=0");
            await first.FlushAsync();
        }

        await using (var second = await StartAsync())
        {
            AssertRight(texts, await second.EmbedAsync(texts), "l1=0, l2=50, l3=0, joined=0, source=0");
            Assert.Equal(20, await second.Get<ValkeyTier>().RemoveAsync([.. texts[..20].Select(second.KeyOf)]));
        }

        await using (var third = await StartAsync())
        {
            AssertRight(texts, await third.EmbedAsync(texts), "l1=0, l2=30, l3=20, joined=0, source=0");
            await third.FlushAsync();
        }

        await using var fourth = await StartAsync();
        AssertRight(texts, await fourth.EmbedAsync(texts), "l1=0, l2=50, l3=0, joined=0, source=0");
        Assert.Equal(50, _provider.TextCount);
    }

    [Fact]
    public async Task Embed_CorruptValueInValkey_IsAMissAndDeleted()
    {
        var texts = Texts(3);
        await using var first = await StartAsync(("Embedding:Cache:Durable", "false"));
        await first.EmbedAsync(texts);
        await first.FlushAsync();
        var name = first.Get<ValkeyTier>().Name(first.KeyOf(texts[1]));
        Assert.True(await first.Get<CacheConnection>().TryAsync(async cache =>
        {
            var bytes = (byte[])(await cache.StringGetAsync(name))!;
            bytes[40] ^= 1;
            return await cache.StringSetAsync(name, bytes);
        }, Token));

        await using var second = await StartAsync(("Embedding:Cache:Durable", "false"));
        AssertRight(texts, await second.EmbedAsync(texts), "l1=0, l2=2, l3=0, joined=0, source=1");
        Assert.Equal(1, second.Statistics.Read(Tier.L2).Corrupt);
        Assert.Equal(4, _provider.TextCount);
    }

    [Fact]
    public async Task Embed_CorruptValueInPostgres_IsAMissAndReplaced()
    {
        var texts = Texts(2);
        await using var replica = await StartAsync(cache: false);
        await replica.EmbedAsync(texts);
        await replica.FlushAsync();
        await using (var command = database.DataSource.CreateCommand("UPDATE embedding_cache SET value = set_byte(value, 30, 255 - get_byte(value, 30)) WHERE text_hash = $1"))
        {
            command.Parameters.Add(new NpgsqlParameter { Value = replica.KeyOf(texts[0]).HashBytes() });
            Assert.Equal(1, await command.ExecuteNonQueryAsync(Token));
        }

        await using (var second = await StartAsync(cache: false))
        {
            AssertRight(texts, await second.EmbedAsync(texts), "l1=0, l2=0, l3=1, joined=0, source=1");
            Assert.Equal(1, second.Statistics.Read(Tier.L3).Corrupt);
            await second.FlushAsync();
        }

        await using var third = await StartAsync(cache: false);
        AssertRight(texts, await third.EmbedAsync(texts), "l1=0, l2=0, l3=2, joined=0, source=0");
    }

    // A busy database misses the few milliseconds of a read; what was bought meanwhile is written all the same.
    [Fact]
    public async Task Durable_ReadsAreTooSlow_KeepsWriting()
    {
        await using var replica = await StartAsync(
            ("Embedding:Cache:DurableTimeout", "00:00:00.020"), ("Embedding:Cache:DurableKeysInMemory", "0"));
        var durable = replica.Get<DurableTier>();
        var key = replica.KeyOf(Texts(1)[0]);
        await using (var connection = await database.DataSource.OpenConnectionAsync(Token))
        {
            await using var locking = await connection.BeginTransactionAsync(Token);
            await using var command = new NpgsqlCommand("LOCK TABLE embedding_cache IN ACCESS EXCLUSIVE MODE", connection, locking);
            await command.ExecuteNonQueryAsync(Token);
            for (var i = 0; i < 4; i++)
            {
                Assert.Null((await durable.GetAsync([key], Replica.Dimensions, Token))[0]);
            }
        }

        Assert.Equal(3, replica.Statistics.Read(Tier.L3).Errors);
        durable.Add([new(key, new CachedVector(Replica.Right("x"), 1))]);
        await durable.FlushAsync(Token);

        await using var count = database.DataSource.CreateCommand("SELECT count(*) FROM embedding_cache WHERE text_hash = $1");
        count.Parameters.Add(new NpgsqlParameter { Value = key.HashBytes() });
        Assert.Equal(1L, await count.ExecuteScalarAsync(Token));
    }

    [Fact]
    public async Task Embed_ManyCallersOfOneTextOverTwoReplicas_OneCall()
    {
        _provider.Script = _ => new ScriptedAnswer(Latency: TimeSpan.FromMilliseconds(200));
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        var text = Texts(1);

        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => (i % 2 == 0 ? first : second).EmbedAsync(text)));

        Assert.All(answers, answer => Assert.Equal(Replica.Right(text[0]), answer.Vectors.Single()));
        Assert.Equal(1, _provider.TextCount);
    }

    [Fact]
    public async Task Embed_OverlappingBatchesOverTwoReplicas_EachTextOnce()
    {
        _provider.Script = _ => new ScriptedAnswer(Latency: TimeSpan.FromMilliseconds(50));
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        var texts = Texts(60);
        var random = new Random(1);

        await Task.WhenAll(Enumerable.Range(0, 30).Select(async i =>
        {
            string[] some;
            lock (random)
            {
                some = [.. Enumerable.Range(0, 20).Select(_ => texts[random.Next(texts.Length)])];
            }

            AssertRight(some, await (i % 2 == 0 ? first : second).EmbedAsync(some));
        }));

        Assert.Equal(_provider.Requests.SelectMany(request => request.Inputs).Distinct().Count(), _provider.TextCount);
    }

    [Fact]
    public async Task Embed_HolderOfTheLeaseDied_AnotherTakesOver()
    {
        await using var replica = await StartAsync();
        var text = Texts(1);
        var lease = $"{database.KeyPrefix}{_test}embedding:v3:lease:{Convert.ToHexStringLower(replica.KeyOf(text[0]).HashBytes())}:{replica.Space}";
        Assert.True(await replica.Get<CacheConnection>().TryAsync(cache => cache.StringSetAsync(lease, "a dead process", TimeSpan.FromMilliseconds(700)), Token));
        var start = TimeProvider.System.GetTimestamp();

        AssertRight(text, await replica.EmbedAsync(text), "l1=0, l2=0, l3=0, joined=0, source=1");

        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalMilliseconds, 500, 5_000);
    }

    [Fact]
    public async Task Embed_SharedLimitOfRequests_HoldsForAllReplicasTogether()
    {
        (string, string)[] limit = [("Embedding:Providers:openai:RequestsPerMinute", "15"), ("Embedding:Providers:openai:MaxInFlight", "100")];
        await using var first = await StartAsync(limit);
        await using var second = await StartAsync(limit);

        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => (i % 2 == 0 ? first : second).EmbedAsync([$"{_test} {i}"])));

        Assert.Equal(15, _provider.Requests.Count);
        Assert.Equal(15, answers.Count(answer => answer.Status == 200));
        Assert.All(answers.Where(answer => answer.Status != 200), answer => Assert.Equal((429, true), (answer.Status, answer.RetryAfter > TimeSpan.FromSeconds(10))));
    }

    [Fact]
    public async Task Embed_ProviderAskedOneReplicaToWait_TheOtherKeepsToItAlsoWithoutLimits()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();
        _provider.Enqueue(new ScriptedAnswer(ScriptedFault.RateLimited, RetryAfter: TimeSpan.FromSeconds(45)));

        var asked = await first.EmbedAsync([$"{_test} a"]);
        var other = await second.EmbedAsync([$"{_test} b"]);

        Assert.Equal((429, 429), (asked.Status, other.Status));
        Assert.InRange(other.RetryAfter!.Value.TotalSeconds, 30, 46);
        Assert.Single(_provider.Requests);
    }

    [Fact]
    public async Task Embed_WithoutValkeyAndDatabase_Works()
    {
        await using var replica = await Replica.StartAsync(_provider, null, null, "none");
        var texts = Texts(5);

        AssertRight(texts, await replica.EmbedAsync(texts), "l1=0, l2=0, l3=0, joined=0, source=5");
        AssertRight(texts, await replica.EmbedAsync(texts), "l1=5, l2=0, l3=0, joined=0, source=0");
    }

    private string[] Texts(int count) => [.. Enumerable.Range(0, count).Select(i => $"{_test} text number {i} of many")];

    private Task<Replica> StartAsync(params (string, string)[] settings) =>
        Replica.StartAsync(_provider, database.ConnectionString, database.CacheConnectionString, database.KeyPrefix + _test, settings);

    private Task<Replica> StartAsync(bool cache) =>
        Replica.StartAsync(_provider, database.ConnectionString, cache ? database.CacheConnectionString : null, database.KeyPrefix + _test);

    private static void AssertRight(string[] texts, Answer answer, string? tiers = null)
    {
        Assert.Equal(200, answer.Status);
        Assert.Equal(texts.Length, answer.Vectors.Length);
        for (var i = 0; i < texts.Length; i++)
        {
            Assert.Equal(Replica.Right(texts[i]), answer.Vectors[i]);
        }

        if (tiers is not null)
        {
            Assert.Equal(tiers, answer.Tiers);
        }
    }
}
