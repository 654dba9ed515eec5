using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Operations;

/// <summary>Makes a rate and a remaining time of successive counts of a queue.</summary>
internal sealed class ProgressMeter(TimeProvider time)
{
    // Half of the rate is of the last five seconds: steady enough to read, quick enough to believe.
    private static readonly TimeSpan s_halfLife = TimeSpan.FromSeconds(5);

    private long? _lastAt;
    private long _lastWaiting;
    private double? _rate;

    /// <summary>Takes the next count.</summary>
    public IndexingProgress Measure(QueueStatusRow status)
    {
        var waiting = status.Queued + status.Retrying;
        var now = time.GetTimestamp();
        if (_lastAt is { } lastAt && time.GetElapsedTime(lastAt, now) is { TotalSeconds: > 0 } elapsed)
        {
            var current = (_lastWaiting - waiting) / elapsed.TotalSeconds;
            var keep = Math.Pow(0.5, elapsed / s_halfLife);
            _rate = _rate is { } rate ? (keep * rate) + ((1 - keep) * current) : current;
        }

        (_lastAt, _lastWaiting) = (now, waiting);
        var perSecond = Math.Max(0, _rate ?? 0);
        return new(
            time.GetUtcNow(),
            status.Queued,
            status.Retrying,
            status.DeadLettered,
            Math.Round(perSecond, 2),
            waiting == 0 && !status.Reindexing ? 0 : status.Reindexing || perSecond < 0.01 || status.PausedAt is not null ? null : Math.Round(waiting / perSecond, 1),
            status.PausedAt,
            status.Reindexing);
    }
}
