using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class SearchJobTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public async Task DatabaseTime_OfCallsAtTheSameTime_CountsThemOnce()
    {
        var job = CreateJob();
        var (first, second, third) = (new TaskCompletionSource<int>(), new TaskCompletionSource<int>(), new TaskCompletionSource<int>());

        var one = job.TimeAsync(first.Task);
        _time.Advance(3);
        var two = job.TimeAsync(second.Task);
        _time.Advance(4);
        Assert.Equal(7, job.DatabaseTime.TotalMilliseconds);
        first.SetResult(1);
        await one;
        _time.Advance(5);
        second.SetException(new InvalidOperationException());
        await Assert.ThrowsAsync<InvalidOperationException>(() => two);
        _time.Advance(100);
        var three = job.TimeAsync(third.Task);
        _time.Advance(2);
        third.SetResult(3);

        Assert.Equal(3, await three);
        Assert.Equal(14, job.DatabaseTime.TotalMilliseconds);
    }

    private SearchJob CreateJob() => new(
        new(1, "w", "english", new("markdown", 1200, 200), new(1, "s", "m", "", 3, true, "", "", 0, false), null, 0, 1, DateTimeOffset.UnixEpoch),
        new SearchRequest("words"), null, [], _time);

    private sealed class ManualTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(int milliseconds) => _ticks += milliseconds * TimeSpan.TicksPerMillisecond;

        public override long GetTimestamp() => _ticks;
    }
}
