using RagPlatform.EmbeddingService.Providers;

namespace RagPlatform.EmbeddingService.Limits;

/// <summary>
/// The way to one endpoint: at most so many calls at a time, within its limits, interactive ones first. Bulk never takes the last free place, so that a
/// query does not wait for a batch to end. Nobody waits longer than it said, and who could not be let through in time is told so at once.
/// </summary>
/// <param name="maxInFlight">Calls at the same time.</param>
/// <param name="maxWaiting">Calls that may wait, interactive and bulk ones each.</param>
/// <param name="limiter">The endpoint's limits; null for one that has none.</param>
/// <param name="time">The clock.</param>
internal sealed class ProviderChannel(int maxInFlight, int maxWaiting, SharedRateLimiter? limiter, TimeProvider time)
{
    /// <summary>How long anybody waits for an endpoint that asked to be left alone.</summary>
    public static readonly TimeSpan MaxBlockedWait = TimeSpan.FromSeconds(10);

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
    /// <param name="maxWait">How long to wait at most.</param>
    /// <param name="cancellationToken">Gives the wait up.</param>
    /// <exception cref="ProviderException">
    /// <see cref="ProviderFailure.RateLimited"/>: there will be no place in time, or too many wait. Thrown as soon as it is known.
    /// </exception>
    public async Task EnterAsync(long tokens, bool interactive, TimeSpan maxWait, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (limiter?.BlockedFor is { } blocked && blocked > (maxWait < MaxBlockedWait ? maxWait : MaxBlockedWait))
        {
            throw Refused("The provider takes no calls at the moment.", blocked);
        }

        var waiter = new Waiter(tokens, maxWait, time.GetTimestamp());
        LinkedListNode<Waiter> node;
        lock (_lock)
        {
            var queue = interactive ? _interactive : _bulk;
            if (queue.Count >= maxWaiting)
            {
                throw Refused("Too many calls wait for the provider.", s_maxSleep);
            }

            node = queue.AddLast(waiter);
        }

        Pump();
        if (waiter.Granted.Task.IsCompleted)
        {
            await waiter.Granted.Task;
            return;
        }

        await using var patience = time.CreateTimer(
            _ => Remove(node, Refused("All calls that the provider may get at a time are under way.", s_maxSleep)), null, maxWait, Timeout.InfiniteTimeSpan);
        await using var registration = cancellationToken.Register(() => Remove(node, new OperationCanceledException(cancellationToken)));
        await waiter.Granted.Task;
    }

    /// <summary>A call may be about to come.</summary>
    public void Foresee() => limiter?.Foresee();

    /// <summary>Gives a place back.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            _inFlight--;
        }

        Pump();
    }

    /// <summary>The endpoint takes nothing for a time: who cannot wait so long is told.</summary>
    public async ValueTask BlockAsync(TimeSpan duration)
    {
        if (limiter is not null)
        {
            await limiter.BlockAsync(duration);
            RefuseHopeless(new(limiter.BlockedFor, Blocked: true));
        }
    }

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

            var decision = limiter is null ? default : await limiter.TryTakeAsync(tokens, CancellationToken.None);
            if (decision.Wait > TimeSpan.Zero)
            {
                RefuseHopeless(decision);

                // Not longer: who comes first may have changed meanwhile, or all may have left.
                await Task.Delay(decision.Wait < s_maxSleep ? decision.Wait : s_maxSleep, time);
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

    // Whoever could go only after its patience has ended. Those behind the first one could not go earlier than it.
    private void RefuseHopeless(RateDecision decision)
    {
        lock (_lock)
        {
            foreach (var queue in (LinkedList<Waiter>[])[_interactive, _bulk])
            {
                for (var node = queue.First; node is not null;)
                {
                    var next = node.Next;
                    if (decision.Wait > node.Value.Rest(time) || (decision.Blocked && decision.Wait > MaxBlockedWait))
                    {
                        Remove(node, Refused(
                            decision.Blocked ? "The provider takes no calls at the moment." : "The limits of calls to the provider are used up.", decision.Wait));
                    }

                    node = next;
                }
            }
        }
    }

    private void Remove(LinkedListNode<Waiter> node, Exception reason)
    {
        lock (_lock)
        {
            if (node.List is { } queue)
            {
                queue.Remove(node);
                node.Value.Granted.TrySetException(reason);
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

    private static ProviderException Refused(string message, TimeSpan wait) => new(ProviderFailure.RateLimited, message) { RetryAfter = wait };

    private sealed class Waiter(long tokens, TimeSpan maxWait, long since)
    {
        public long Tokens { get; } = tokens;

        public TaskCompletionSource Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>How long it will wait yet.</summary>
        public TimeSpan Rest(TimeProvider time) => maxWait - time.GetElapsedTime(since);
    }
}
