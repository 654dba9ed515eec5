namespace RagPlatform.EmbeddingService.Limits;

/// <summary>
/// The way to one endpoint: at most so many calls at a time, within its limits, interactive ones first. Bulk never takes the last free place, so that a
/// query does not wait for a batch to end.
/// </summary>
/// <param name="maxInFlight">Calls at the same time.</param>
/// <param name="limiter">The endpoint's limits.</param>
/// <param name="time">The clock.</param>
internal sealed class ProviderChannel(int maxInFlight, SharedRateLimiter limiter, TimeProvider time)
{
    private static readonly TimeSpan s_maxSleep = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _interactive = new();
    private readonly LinkedList<Waiter> _bulk = new();
    private int _inFlight;
    private bool _pumping;

    /// <summary>Calls under way.</summary>
    public int InFlight
    {
        get
        {
            lock (_lock)
            {
                return _inFlight;
            }
        }
    }

    /// <summary>Calls that wait.</summary>
    public int Waiting
    {
        get
        {
            lock (_lock)
            {
                return _interactive.Count + _bulk.Count;
            }
        }
    }

    /// <summary>Waits for a place. Whoever got one must <see cref="Leave"/>.</summary>
    /// <param name="tokens">Estimated tokens of the call.</param>
    /// <param name="interactive">Whether a person waits.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public async Task EnterAsync(long tokens, bool interactive, CancellationToken cancellationToken)
    {
        var waiter = new Waiter(tokens);
        LinkedListNode<Waiter> node;
        lock (_lock)
        {
            node = (interactive ? _interactive : _bulk).AddLast(waiter);
        }

        Pump();
        await using var registration = cancellationToken.Register(() =>
        {
            lock (_lock)
            {
                if (node.List is { } list)
                {
                    list.Remove(node);
                    waiter.Granted.TrySetCanceled(cancellationToken);
                }
            }
        });
        await waiter.Granted.Task;
    }

    /// <summary>Gives a place back.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            _inFlight--;
        }

        Pump();
    }

    /// <summary>The endpoint takes nothing for a time.</summary>
    public ValueTask BlockAsync(TimeSpan duration) => limiter.BlockAsync(duration);

    private void Pump()
    {
        lock (_lock)
        {
            if (_pumping || Next() is null)
            {
                return;
            }

            _pumping = true;
        }

        _ = PumpAsync();
    }

    private async Task PumpAsync()
    {
        while (true)
        {
            long tokens;
            lock (_lock)
            {
                if (Next() is not { } next)
                {
                    _pumping = false;
                    return;
                }

                tokens = next.Value.Tokens;
            }

            var wait = await limiter.TryTakeAsync(tokens, CancellationToken.None);
            if (wait > TimeSpan.Zero)
            {
                // Not longer: who comes first may have changed meanwhile, or all may have left.
                await Task.Delay(wait < s_maxSleep ? wait : s_maxSleep, time);
                continue;
            }

            lock (_lock)
            {
                if (Next() is { } next)
                {
                    next.List!.Remove(next);
                    _inFlight++;
                    next.Value.Granted.TrySetResult();
                }
            }
        }
    }

    private LinkedListNode<Waiter>? Next()
    {
        if (_interactive.First is { } first)
        {
            return _inFlight < maxInFlight ? first : null;
        }

        return _inFlight < Math.Max(1, maxInFlight - 1) ? _bulk.First : null;
    }

    private sealed class Waiter(long tokens)
    {
        public long Tokens { get; } = tokens;

        public TaskCompletionSource Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
