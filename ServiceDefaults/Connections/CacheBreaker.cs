namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>
/// Opens after <see cref="Failures"/> commands in a row that were not answered, and lets one command try again after a pause. A ratio would have to outweigh
/// all that was answered just before: with many callers that takes as long as it looks back, and each of them waits meanwhile.
/// </summary>
/// <param name="pause">How long nothing is sent.</param>
/// <param name="time">The clock.</param>
internal sealed class CacheBreaker(TimeSpan pause, TimeProvider time)
{
    /// <summary>Failures in a row that open it.</summary>
    public const int Failures = 4;

    private readonly Lock _lock = new();
    private int _failures;
    private long _openedAt;
    private bool _probing;
    private volatile bool _open;

    /// <summary>Whether nothing is sent, apart from one command that tries.</summary>
    public bool IsOpen => _open;

    /// <summary>Whether a command may be sent. Whoever gets true must say how it went.</summary>
    public bool TryEnter()
    {
        if (!_open)
        {
            return true;
        }

        lock (_lock)
        {
            if (_open && (_probing || time.GetElapsedTime(_openedAt) < pause))
            {
                return false;
            }

            _probing = _open;
            return true;
        }
    }

    /// <summary>A command was answered.</summary>
    public void Succeeded()
    {
        if (Volatile.Read(ref _failures) == 0 && !_open)
        {
            return;
        }

        lock (_lock)
        {
            (_open, _probing, _failures) = (false, false, 0);
        }
    }

    /// <summary>A command was not answered.</summary>
    public void Failed()
    {
        lock (_lock)
        {
            if (++_failures < Failures && !_open)
            {
                return;
            }

            // Those that were sent before it opened do not prolong the pause; the one that tries does.
            if (!_open || _probing)
            {
                (_open, _probing, _openedAt) = (true, false, time.GetTimestamp());
            }
        }
    }

    /// <summary>A command was given up by its caller: it says nothing, and the next one may try.</summary>
    public void Abandoned()
    {
        lock (_lock)
        {
            _probing = false;
        }
    }
}
