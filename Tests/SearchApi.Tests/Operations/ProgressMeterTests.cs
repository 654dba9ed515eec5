using RagPlatform.SearchApi.Operations;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Tests.Operations;

public sealed class ProgressMeterTests
{
    private readonly SteppedTime _time = new();

    [Fact]
    public void Measure_TheFirstCount_HasNoRateAndNoTimeLeft()
    {
        var progress = new ProgressMeter(_time).Measure(Waiting(100));

        Assert.Equal((100, 0.0, null), (progress.Queued, progress.PerSecond, progress.SecondsLeft));
    }

    [Fact]
    public void Measure_ASteadyQueue_HasItsRateAndTheTimeLeft()
    {
        var meter = new ProgressMeter(_time);
        for (var waiting = 1_000; waiting > 500; waiting -= 10)
        {
            meter.Measure(Waiting(waiting));
            _time.Step(TimeSpan.FromSeconds(1));
        }

        var progress = meter.Measure(Waiting(500));

        Assert.Equal((10.0, 50.0), (progress.PerSecond, progress.SecondsLeft));
    }

    [Fact]
    public void Measure_AQueueThatBecomesFaster_FollowsItHalfwayInFiveSeconds()
    {
        var meter = new ProgressMeter(_time);
        meter.Measure(Waiting(10_000));
        _time.Step(TimeSpan.FromSeconds(1));
        meter.Measure(Waiting(10_000));
        _time.Step(TimeSpan.FromSeconds(5));

        Assert.Equal(50.0, meter.Measure(Waiting(9_500)).PerSecond);
    }

    [Fact]
    public void Measure_AQueueThatGrows_HasNoRateAndNoTimeLeft()
    {
        var meter = new ProgressMeter(_time);
        meter.Measure(Waiting(10));
        _time.Step(TimeSpan.FromSeconds(1));

        var progress = meter.Measure(Waiting(20));

        Assert.Equal((0.0, null), (progress.PerSecond, progress.SecondsLeft));
    }

    [Fact]
    public void Measure_NothingWaiting_IsDone() => Assert.Equal(0, new ProgressMeter(_time).Measure(Waiting(0)).SecondsLeft);

    [Fact]
    public void Measure_APausedQueue_HasNoTimeLeft()
    {
        var meter = new ProgressMeter(_time);
        meter.Measure(Waiting(20));
        _time.Step(TimeSpan.FromSeconds(1));

        Assert.Null(meter.Measure(Waiting(10) with { PausedAt = _time.GetUtcNow() }).SecondsLeft);
    }

    private static QueueStatusRow Waiting(long tasks) => new(tasks, 0, 0, null);

    private sealed class SteppedTime : TimeProvider
    {
        private long _timestamp;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _timestamp;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddTicks(_timestamp);

        public void Step(TimeSpan time) => _timestamp += time.Ticks;
    }
}
