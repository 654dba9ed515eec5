using RagPlatform.EmbeddingService.Caching;

namespace RagPlatform.EmbeddingService.Tests.Caching;

public sealed class KeyFilterTests
{
    private const int Capacity = 20_000;

    [Fact]
    public void MayHave_WhatWasAdded_IsNeverDenied()
    {
        var filter = Filled();

        Assert.All(Enumerable.Range(0, Capacity), i => Assert.True(filter.MayHave(Key(i))));
        Assert.InRange(filter.Count, Capacity * 0.99, Capacity);
    }

    [Theory]
    [InlineData("other texts", 1_000_000, "s")]
    [InlineData("the same texts in another space", 0, "t")]
    public void MayHave_WhatWasNotAdded_IsDeniedAlmostAlways(string what, int offset, string space)
    {
        var filter = Filled();

        var wrong = Enumerable.Range(offset, 100_000).Where(i => i >= Capacity || space != "s").Count(i => filter.MayHave(Key(i, space)));

        Assert.True(wrong < 1_000, $"{what}: {wrong} of 100,000");
    }

    [Fact]
    public void MayHave_Empty_DeniesAll() => Assert.False(new KeyFilter(0).MayHave(Key(1)));

    [Fact]
    public async Task Add_ManyThreads_LosesNothing()
    {
        var filter = new KeyFilter(Capacity);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(() => Add(filter, thread, 8), TestContext.Current.CancellationToken)));

        Assert.All(Enumerable.Range(0, Capacity), i => Assert.True(filter.MayHave(Key(i))));
    }

    private static KeyFilter Filled()
    {
        var filter = new KeyFilter(Capacity);
        Add(filter, 0, 1);
        return filter;
    }

    private static void Add(KeyFilter filter, int first, int step)
    {
        for (var i = first; i < Capacity; i += step)
        {
            filter.Add(Key(i));
        }
    }

    private static VectorKey Key(int i, string space = "s") => VectorKey.Create("", $"text {i}", space);
}
