using RagPlatform.Cli.Ingest;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Tests.Ingest;

public sealed class IndexingWaitTests
{
    private long _queued = 5;
    private int _calls;

    [Fact]
    public async Task Wait_QueueBecomesEmpty_ReturnsWhereTheWorkspaceStands()
    {
        var progress = new IngestProgress(0);
        var indexing = await Wait(patience: null, left: () => Math.Max(0, _queued--)).WaitAsync("docs", progress, TestContext.Current.CancellationToken);

        Assert.Equal(0, indexing.Queued);
        Assert.Equal((5, 0), (progress.IndexingTotal, progress.IndexingLeft));
    }

    [Fact]
    public async Task Wait_NothingHappens_GivesUpWhenPatienceEnds()
    {
        var e = await Assert.ThrowsAsync<TimeoutException>(() => Wait(TimeSpan.FromSeconds(30), left: () => 5)
            .WaitAsync("docs", new IngestProgress(0), TestContext.Current.CancellationToken));

        Assert.Contains("5 documents of 'docs' wait", e.Message);
    }

    [Fact]
    public async Task Wait_SlowButMoving_IsPatient()
    {
        // One task in ten polls, of a second each: four times slower altogether than the patience lasts.
        var indexing = await Wait(TimeSpan.FromSeconds(30), left: () => Math.Max(0, 12 - (_calls++ / 10)))
            .WaitAsync("docs", new IngestProgress(0), TestContext.Current.CancellationToken);

        Assert.Equal(0, indexing.Queued);
        Assert.True(_calls >= 120);
    }

    private static IndexingWait Wait(TimeSpan? patience, Func<long> left)
    {
        var api = new FakeApi().On("GET /v1/workspaces/docs/indexing", _ => FakeApi.Json(new WorkspaceIndexing(5, 5, left(), 0, 0, null, 1)));
        return new IndexingWait(new RagClient(new HttpClient(api) { BaseAddress = new Uri("http://rag.test/") }), new PassingTime(), patience);
    }

    // A delay takes no time, and the clock says that it has passed.
    private sealed class PassingTime : TimeProvider
    {
        private TimeSpan _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now.Ticks;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _now += dueTime;
            return System.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}
