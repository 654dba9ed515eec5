namespace RagPlatform.ServiceDefaults.Health;

/// <summary>
/// Says when a state changes, and does not flood the log of one that changes often: the first two changes of a minute are said at once, those
/// that follow are one line with their count at its end.
/// </summary>
/// <param name="initial">The state that needs not be said.</param>
/// <param name="time">The clock.</param>
/// <param name="write">Writes a line: the state now, its reason, and how many changes the line stands for.</param>
public sealed class StateLog<T>(T initial, TimeProvider time, Action<T, string, int> write)
    where T : struct
{
    /// <summary>Changes that are said at once: away, and back.</summary>
    public const int AtOnce = 2;

    /// <summary>For how long further changes are counted.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private ITimer? _timer;
    private T _state = initial;
    private string _reason = "";
    private long? _intervalStart;
    private int _said;
    private int _held;

    /// <summary>Notes the state; it may be what it was.</summary>
    /// <param name="state">The state now.</param>
    /// <param name="reason">Why it is so. Another reason alone is no change.</param>
    public void Report(T state, string reason = "")
    {
        if (EqualityComparer<T>.Default.Equals(_state, state))
        {
            return;
        }

        lock (_lock)
        {
            if (EqualityComparer<T>.Default.Equals(_state, state))
            {
                return;
            }

            (_state, _reason) = (state, reason);
            if (_timer is null && (_intervalStart is not { } start || time.GetElapsedTime(start) >= Interval))
            {
                (_intervalStart, _said) = (time.GetTimestamp(), 0);
            }

            if (_said < AtOnce)
            {
                _said++;
                write(state, reason, 1);
                return;
            }

            _held++;
            _timer ??= time.CreateTimer(_ => Summarize(), null, Interval - time.GetElapsedTime(_intervalStart!.Value), Timeout.InfiniteTimeSpan);
        }
    }

    private void Summarize()
    {
        lock (_lock)
        {
            _timer?.Dispose();
            _timer = null;
            write(_state, _reason, _held);

            // It was just said that the state changes often: the changes of the next minute are counted as well.
            (_intervalStart, _said, _held) = (time.GetTimestamp(), AtOnce, 0);
        }
    }
}
