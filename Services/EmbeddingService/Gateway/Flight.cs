using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Limits;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>What became of a text that was asked for.</summary>
/// <param name="Vector">Its vector; null when there is none.</param>
/// <param name="Tier">Where it came from.</param>
/// <param name="Error">Why there is none.</param>
/// <param name="OwnersOnly">Whether the error concerns only the one who started it (a budget): whoever joined tries again for itself.</param>
internal readonly record struct Landing(CachedVector? Vector, Tier Tier, Exception? Error, bool OwnersOnly);

/// <summary>Whether a text is to be sent to a provider now.</summary>
internal enum Dispatch
{
    /// <summary>It is: from now on it is paid, and goes on when its passengers leave.</summary>
    Send,

    /// <summary>Nobody waits for it any more: nobody can join it either.</summary>
    Deserted,

    /// <summary>Another flight brings its vector.</summary>
    Overtaken,
}

/// <summary>
/// A text whose vector is on its way: the first who asks starts it, the others wait for the same. As long as it was not sent to a provider it ends when
/// the last who waits for it leaves: what nobody waits for is not bought.
/// </summary>
/// <param name="key">Its key.</param>
/// <param name="text">The text with prompt.</param>
/// <param name="interactive">Whether a person waits for it.</param>
/// <param name="encoding">By what its tokens are counted.</param>
internal sealed class Flight(VectorKey key, string text, bool interactive, TokenEncoding encoding)
{
    private readonly TaskCompletionSource<Landing> _landing = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private FlightWatch? _watch;
    private Flight? _overtaker;
    private int _passengers = 1;
    private int _tokens;
    private bool _sent;
    private bool _closed;
    private volatile bool _interactive = interactive;

    public VectorKey Key { get; } = key;

    public string Text { get; } = text;

    /// <summary>Whether a person waits for it: who started it, or who joined.</summary>
    public bool Interactive => _interactive;

    /// <summary>By what its tokens are counted.</summary>
    public TokenEncoding Encoding { get; } = encoding;

    /// <summary>The text's tokens: counted where the encoding is known, else estimated.</summary>
    public int EstimatedTokens => _tokens > 0 ? _tokens : _tokens = Encoding == TokenEncoding.Cl100k ? Cl100k.Count(Text) : TokenEstimate.Of(Text);

    /// <summary>The flight that brings the vector in place of this one; null when there is none.</summary>
    public Flight? Overtaker
    {
        get
        {
            lock (_lock)
            {
                return _overtaker;
            }
        }
    }

    /// <summary>Never fails and is never cancelled: an error is a result.</summary>
    public Task<Landing> Task => _landing.Task;

    /// <summary>Joins; false when it was given up because nobody waited for it.</summary>
    /// <param name="interactive">Whether a person joins.</param>
    public bool TryBoard(bool interactive)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return false;
            }

            if (_passengers++ == 0)
            {
                _watch?.Wanted(1);
            }

            _interactive |= interactive;
            return true;
        }
    }

    /// <summary>Whoever started or joined it leaves: with its vector, or without.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            if (--_passengers == 0)
            {
                _watch?.Wanted(-1);
            }
        }
    }

    /// <summary>Lets an interactive flight bring the vector: false when this one was sent, landed or given up already.</summary>
    public bool TryOvertake(Flight by)
    {
        lock (_lock)
        {
            if (_sent || _closed || _overtaker is not null || _landing.Task.IsCompleted)
            {
                return false;
            }

            _overtaker = by;
            return true;
        }
    }

    /// <summary>Asks whether the text is to be sent, at the last moment before it is.</summary>
    public Dispatch TrySend()
    {
        lock (_lock)
        {
            if (_closed || _passengers == 0)
            {
                _closed = true;
                return Dispatch.Deserted;
            }

            if (_overtaker is not null)
            {
                return Dispatch.Overtaken;
            }

            _sent = true;
            return Dispatch.Send;
        }
    }

    /// <summary>The call that it was sent with brought no vector, and may be repeated.</summary>
    public void Return()
    {
        lock (_lock)
        {
            _sent = false;
        }
    }

    /// <summary>The one who overtook failed.</summary>
    public void GoOn()
    {
        lock (_lock)
        {
            _overtaker = null;
        }
    }

    /// <summary>Gives it up when nobody waits for it and it was not sent.</summary>
    public bool TryClose()
    {
        lock (_lock)
        {
            return _closed |= !_sent && _passengers == 0;
        }
    }

    public bool TryLand(Landing landing) => _landing.TrySetResult(landing);

    /// <summary>Has a watch told whether anybody waits for it.</summary>
    /// <returns>Whether anybody does now.</returns>
    internal bool Watch(FlightWatch? watch)
    {
        lock (_lock)
        {
            _watch = watch;
            return _passengers > 0;
        }
    }
}
