namespace RagPlatform.EmbeddingService.Limits;

/// <summary>Requests and tokens of the last minute, by second: in no 60 seconds are there more than allowed.</summary>
/// <param name="requestsPerMinute">0: no limit.</param>
/// <param name="tokensPerMinute">0: no limit.</param>
/// <param name="time">The clock.</param>
internal sealed class RateWindow(int requestsPerMinute, int tokensPerMinute, TimeProvider time)
{
    private const int Seconds = 61; // the current second and the sixty before it: a full minute at any moment

    private readonly Lock _lock = new();
    private readonly long[] _second = new long[Seconds];
    private readonly long[] _requests = new long[Seconds];
    private readonly long[] _tokens = new long[Seconds];

    /// <summary>Takes one request of a number of tokens.</summary>
    /// <param name="tokens">Its tokens. More than a minute's are taken as a minute's.</param>
    /// <param name="force">Takes it in any case: somebody else allowed it.</param>
    /// <returns>Zero when it was taken; otherwise how long to wait before asking again.</returns>
    public TimeSpan TryTake(long tokens, bool force = false)
    {
        if (tokensPerMinute > 0)
        {
            tokens = Math.Min(tokens, tokensPerMinute);
        }

        lock (_lock)
        {
            var now = time.GetUtcNow().ToUnixTimeSeconds();
            var (requests, spent) = (0L, 0L);
            for (var age = 0; age < Seconds; age++)
            {
                var i = (int)((now - age) % Seconds);
                if (_second[i] == now - age)
                {
                    requests += _requests[i];
                    spent += _tokens[i];
                }
            }

            if (!force && !Fits(requests, spent, tokens))
            {
                return WaitFor(now, requests, spent, tokens);
            }

            var slot = (int)(now % Seconds);
            if (_second[slot] != now)
            {
                (_second[slot], _requests[slot], _tokens[slot]) = (now, 0, 0);
            }

            _requests[slot]++;
            _tokens[slot] += tokens;
            return TimeSpan.Zero;
        }
    }

    private bool Fits(long requests, long spent, long tokens) =>
        (requestsPerMinute == 0 || requests < requestsPerMinute) && (tokensPerMinute == 0 || spent + tokens <= tokensPerMinute);

    // Until enough of the oldest seconds have left the window.
    private TimeSpan WaitFor(long now, long requests, long spent, long tokens)
    {
        for (var age = Seconds - 1; age >= 0; age--)
        {
            var i = (int)((now - age) % Seconds);
            if (_second[i] != now - age)
            {
                continue;
            }

            requests -= _requests[i];
            spent -= _tokens[i];
            if (Fits(requests, spent, tokens))
            {
                var leaves = DateTimeOffset.FromUnixTimeSeconds(now - age + Seconds);
                return TimeSpan.FromTicks(Math.Max(TimeSpan.TicksPerMillisecond, (leaves - time.GetUtcNow()).Ticks));
            }
        }

        return TimeSpan.FromSeconds(1);
    }
}
