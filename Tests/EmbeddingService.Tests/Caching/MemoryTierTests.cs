using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Tests.Infrastructure;

namespace RagPlatform.EmbeddingService.Tests.Caching;

public sealed class MemoryTierTests
{
    private static readonly TimeSpan s_ttl = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_maxAge = TimeSpan.FromMinutes(30);
    private readonly ManualTime _time = new();

    [Fact]
    public void TryGet_AfterAdd_FindsTheSameVector()
    {
        var tier = Create(10);
        var vector = Vector(1);
        tier.Add(Key("a"), vector);

        Assert.True(tier.TryGet(Key("a"), out var found));
        Assert.Same(vector, found);
        Assert.False(tier.TryGet(Key("b"), out _));
        Assert.False(tier.TryGet(VectorKey.Create("", "a", "other space"), out _));
    }

    [Fact]
    public void TryGet_InUseAllTheTime_EndsAtItsGreatestAge()
    {
        var tier = Create(10);
        tier.Add(Key("a"), Vector(1));
        for (var minute = 0; minute < 30; minute += 3)
        {
            Assert.True(tier.TryGet(Key("a"), out _));
            _time.Advance(TimeSpan.FromMinutes(3));
        }

        Assert.True(tier.TryGet(Key("a"), out _));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(tier.TryGet(Key("a"), out _));
        Assert.Equal(0, tier.Count);
    }

    [Fact]
    public void Add_BeyondEntries_EvictsWhatWasNotUsed()
    {
        var tier = Create(3);
        tier.Add(Key("a"), Vector(1));
        tier.Add(Key("b"), Vector(2));
        tier.Add(Key("c"), Vector(3));
        tier.TryGet(Key("a"), out _);

        tier.Add(Key("d"), Vector(4));

        Assert.Equal(3, tier.Count);
        Assert.True(tier.TryGet(Key("a"), out _));
        Assert.False(tier.TryGet(Key("b"), out _));
        Assert.True(tier.TryGet(Key("c"), out _));
        Assert.True(tier.TryGet(Key("d"), out _));
    }

    [Fact]
    public void Add_AllWereUsed_EvictsTheOldestAndKeepsTheNew()
    {
        var tier = Create(3);
        foreach (var name in new[] { "a", "b", "c" })
        {
            tier.Add(Key(name), Vector(1));
            tier.TryGet(Key(name), out _);
        }

        tier.Add(Key("d"), Vector(4));

        Assert.False(tier.TryGet(Key("a"), out _));
        Assert.True(tier.TryGet(Key("d"), out _));
    }

    [Fact]
    public void Add_BeyondBytes_StaysWithinThem()
    {
        var tier = new MemoryTier(1_000_000, 100_000, s_ttl, s_maxAge, _time);
        for (var i = 0; i < 1_000; i++)
        {
            tier.Add(Key($"{i}"), Vector(i, dimensions: 100));
        }

        Assert.InRange(tier.Bytes, 1, 100_000);
        Assert.Equal(100_000 / 640, tier.Count);
        tier.Add(Key("huge"), Vector(1, dimensions: 50_000));
        Assert.False(tier.TryGet(Key("huge"), out _));
    }

    [Fact]
    public void TryGet_UnusedForLongerThanTtl_IsGone()
    {
        var tier = Create(10);
        tier.Add(Key("a"), Vector(1));
        _time.Advance(s_ttl - TimeSpan.FromSeconds(1));
        Assert.True(tier.TryGet(Key("a"), out _));
        _time.Advance(s_ttl - TimeSpan.FromSeconds(1));
        Assert.True(tier.TryGet(Key("a"), out _));
        _time.Advance(s_ttl + TimeSpan.FromSeconds(1));

        Assert.False(tier.TryGet(Key("a"), out _));
        Assert.Equal(0, tier.Count);
        Assert.Equal(0, tier.Bytes);
    }

    [Fact]
    public void Add_NoEntriesAllowed_HoldsNothing()
    {
        var tier = Create(0);
        tier.Add(Key("a"), Vector(1));

        Assert.False(tier.TryGet(Key("a"), out _));
    }

    [Fact]
    public void RemoveWhere_Condition_RemovesWhatItHoldsFor()
    {
        var tier = Create(10);
        tier.Add(Key("old"), Vector(1));
        _time.Advance(TimeSpan.FromMinutes(1));
        tier.Add(Key("new"), Vector(1));

        Assert.Equal(TimeSpan.FromMinutes(1), tier.OldestAge);
        Assert.Equal(1, tier.RemoveWhere((_, age) => age >= TimeSpan.FromMinutes(1)));
        Assert.True(tier.TryGet(Key("new"), out _));
        Assert.True(tier.Remove(Key("new")));
        Assert.False(tier.Remove(Key("new")));
        Assert.Null(tier.OldestAge);
    }

    [Fact]
    public void TryGet_SkewedLoad_HitsAtLeastAsOftenAsLru()
    {
        var random = new Random(7);
        var keys = Enumerable.Range(0, 2_000).Select(i => Key($"{i}")).ToArray();
        var tier = Create(200);
        var lru = new LinkedList<int>();
        var (hits, lruHits) = (0, 0);
        for (var i = 0; i < 40_000; i++)
        {
            var k = (int)(2_000 * Math.Pow(random.NextDouble(), 4));
            if (tier.TryGet(keys[k], out _))
            {
                hits++;
            }
            else
            {
                tier.Add(keys[k], Vector(k));
            }

            if (lru.Remove(k))
            {
                lruHits++;
            }
            else if (lru.Count == 200)
            {
                lru.RemoveLast();
            }

            lru.AddFirst(k);
        }

        Assert.True(hits >= lruHits, $"{hits} hits, LRU has {lruHits}");
    }

    [Fact]
    public async Task AddAndRemove_FromManyThreads_KeepsCountAndBytesExact()
    {
        var tier = Create(100);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 5_000; i++)
            {
                var key = Key($"{random.Next(300)}");
                switch (random.Next(3))
                {
                    case 0: tier.Add(key, Vector(1)); break;
                    case 1: tier.TryGet(key, out _); break;
                    default: tier.Remove(key); break;
                }
            }
        })));

        var counted = Enumerable.Range(0, 300).Count(i => tier.TryGet(Key($"{i}"), out _));
        Assert.Equal(counted, tier.Count);
        Assert.InRange(tier.Count, 0, 100);
        Assert.Equal(tier.Count, tier.RemoveWhere((_, _) => true));
        Assert.Equal(0, tier.Bytes);
    }

    private static VectorKey Key(string text) => VectorKey.Create("", text, "space");

    private static CachedVector Vector(int seed, int dimensions = 4) => new([.. Enumerable.Repeat((float)seed, dimensions)], 1);

    private MemoryTier Create(int entries) => new(entries, 1 << 30, s_ttl, s_maxAge, _time);
}
