using RagPlatform.IndexingWorker.Indexing;

namespace RagPlatform.IndexingWorker.Tests.Indexing;

public sealed class IdlePaceTests
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(1);

    private bool _hears = true;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Rest_NothingHappens_GetsLongerUpToALimit()
    {
        var pace = Create();
        var intervals = new List<int> { 1 };
        for (var i = 0; i < 6; i++)
        {
            intervals.Add(await pace.RestAsync(pace.Next, s_interval, intervals[^1], Cancelled));
        }

        Assert.Equal([1, 2, 4, 8, IdlePace.Slowest, IdlePace.Slowest, IdlePace.Slowest], intervals);
    }

    // Without an end of its own, the rest would be an hour.
    [Fact]
    public async Task Rest_SomethingHappens_EndsAndIsShortAgain()
    {
        var pace = Create();
        var before = pace.Next;
        var resting = pace.RestAsync(before, s_interval, 3_600_000, Cancelled);

        pace.Stir();

        Assert.Equal(1, await resting.WaitAsync(TimeSpan.FromSeconds(30), Cancelled));
        Assert.True(before.IsCompleted);
        Assert.False(pace.Next.IsCompleted);
    }

    [Fact]
    public async Task Rest_NothingIsNotified_IsOneInterval()
    {
        _hears = false;
        var pace = Create();

        Assert.Equal(1, await pace.RestAsync(pace.Next, s_interval, 3_600_000, Cancelled).WaitAsync(TimeSpan.FromSeconds(30), Cancelled));
        Assert.False(pace.MayRest);
    }

    private IdlePace Create() => new(() => _hears, TimeProvider.System);
}
