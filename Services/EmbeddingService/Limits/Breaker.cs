namespace RagPlatform.EmbeddingService.Limits;

/// <summary>
/// Opens after a number of failures in a row, and then lets one caller try again after a pause that doubles up to a maximum. Anything that depends on a
/// ratio would need a minimum of traffic to notice that a provider is down.
/// </summary>
/// <param name="failures">Failures in a row that open it.</param>
/// <param name="pause">The first pause.</param>
/// <param name="maxPause">The longest pause.</param>
/// <param name="time">The clock.</param>
internal sealed class Breaker(int failures, TimeSpan pause, TimeSpan maxPause, TimeProvider time)
{
    private readonly Lock _lock = new();
    private int _failures;
    private TimeSpan? _longerPause;
    private long _openedAt;
    private bool _open;
    private bool _probing;

    private TimeSpan Pause => _longerPause ?? pause;

    /// <summary>Whether calls are refused, apart from one that tries.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_lock)
            {
                return _open;
            }
        }
    }

    /// <summary>Whether a call may be made. Whoever gets true must say how it went.</summary>
    public bool TryEnter()
    {
        lock (_lock)
        {
            if (!_open)
            {
                return true;
            }

            if (_probing || time.GetElapsedTime(_openedAt) < Pause)
            {
                return false;
            }

            return _probing = true;
        }
    }

    /// <summary>A call succeeded, or failed for a reason that says nothing about the other side.</summary>
    /// <returns>Whether it was open before.</returns>
    public bool Succeeded()
    {
        lock (_lock)
        {
            var wasOpen = _open;
            (_open, _probing, _failures, _longerPause) = (false, false, 0, null);
            return wasOpen;
        }
    }

    /// <summary>A call failed.</summary>
    /// <returns>Whether this opened it.</returns>
    public bool Failed()
    {
        lock (_lock)
        {
            _failures++;
            if (_open)
            {
                if (_probing)
                {
                    (_probing, _openedAt) = (false, time.GetTimestamp());
                    _longerPause = TimeSpan.FromTicks(Math.Min(Pause.Ticks * 2, maxPause.Ticks));
                }

                return false;
            }

            if (_failures < failures)
            {
                return false;
            }

            (_open, _openedAt) = (true, time.GetTimestamp());
            return true;
        }
    }

    /// <summary>A call was given up by its caller: it says nothing, and the next one may try.</summary>
    public void Abandoned()
    {
        lock (_lock)
        {
            _probing = false;
        }
    }
}
