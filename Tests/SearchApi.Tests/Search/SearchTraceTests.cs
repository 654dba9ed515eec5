using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class SearchTraceTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public async Task DatabaseTime_OfCallsAtTheSameTime_CountsThemOnce()
    {
        var trace = new SearchTrace(_time);
        var (first, second, third) = (new TaskCompletionSource<int>(), new TaskCompletionSource<int>(), new TaskCompletionSource<int>());

        var one = trace.ReadAsync("stage", () => first.Task);
        _time.Advance(3);
        var two = trace.ReadAsync("stage", () => second.Task);
        _time.Advance(4);
        Assert.Equal(7, trace.DatabaseTime.TotalMilliseconds);
        first.SetResult(1);
        await one;
        _time.Advance(5);
        second.SetException(new InvalidOperationException());
        await Assert.ThrowsAsync<InvalidOperationException>(() => two);
        _time.Advance(100);
        var three = trace.ReadAsync("stage", () => third.Task);
        _time.Advance(2);
        third.SetResult(3);

        Assert.Equal(3, await three);
        Assert.Equal(14, trace.DatabaseTime.TotalMilliseconds);
    }

    [Fact]
    public void Stages_OfOneThatRanTwice_AddItsTimes()
    {
        var trace = new SearchTrace(_time);
        for (var i = 0; i < 2; i++)
        {
            using var stage = trace.Begin(SearchStages.Fuse);
            _time.Advance(5);
        }

        Assert.Equal(10, Assert.Single(trace.Stages).Value.TotalMilliseconds);
    }

    [Fact]
    public void Degraded_OfWhatWasSaidTwice_HasItOnce()
    {
        var trace = new SearchTrace(_time);

        trace.Degrade("embedding");
        trace.Degrade("embedding");

        Assert.Equal(["embedding"], trace.Degraded);
    }

    private sealed class ManualTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(int milliseconds) => _ticks += milliseconds * TimeSpan.TicksPerMillisecond;

        public override long GetTimestamp() => _ticks;
    }
}
