using RagPlatform.ServiceDefaults.Connections;
using StackExchange.Redis;

namespace RagPlatform.EmbeddingService.Limits;

/// <summary>
/// The limits of one endpoint, kept by all replicas together in Valkey. While Valkey does not answer, each replica keeps them for itself, with what it
/// took before in mind.
/// </summary>
/// <param name="name">The endpoint's name.</param>
/// <param name="requestsPerMinute">0: no limit.</param>
/// <param name="tokensPerMinute">0: no limit.</param>
/// <param name="keyPrefix">What keys in Valkey begin with.</param>
/// <param name="connection">Valkey.</param>
/// <param name="time">The clock.</param>
internal sealed class SharedRateLimiter(
    string name, int requestsPerMinute, int tokensPerMinute, string keyPrefix, CacheConnection connection, TimeProvider time)
{
    private static readonly TimeSpan s_lookAge = TimeSpan.FromMilliseconds(20);

    private readonly RateWindow _own = new(requestsPerMinute, tokensPerMinute, time);
    private readonly RedisKey[] _keys = [$"{keyPrefix}:v3:rate:{name}", $"{keyPrefix}:v3:blocked:{name}"];
    private readonly Lock _looking = new();
    private long _blockedUntil;
    private Task<TimeSpan>? _look;
    private long _lookedAt;

    /// <summary>How long the endpoint takes nothing, as far as this replica knows; zero when it does.</summary>
    public TimeSpan BlockedFor
    {
        get
        {
            var rest = time.GetElapsedTime(time.GetTimestamp(), Interlocked.Read(ref _blockedUntil));
            return rest > TimeSpan.Zero ? rest : TimeSpan.Zero;
        }
    }

    /// <summary>Takes one request of a number of tokens.</summary>
    public async ValueTask<RateDecision> TryTakeAsync(long tokens, CancellationToken cancellationToken)
    {
        if (BlockedFor is var blocked && blocked > TimeSpan.Zero)
        {
            return new(blocked, Blocked: true);
        }

        if (requestsPerMinute == 0 && tokensPerMinute == 0)
        {
            // Also without limits of its own: another replica may know of a block.
            var shared = await LookAsync();
            return new(shared, Blocked: shared > TimeSpan.Zero);
        }

        var (answered, wait) = connection.IsConfigured
            ? await connection.TryGetAsync(
                async database => (long)await database.ScriptEvaluateAsync(
                    script: TakeScript, keys: _keys, values: [requestsPerMinute, tokensPerMinute, tokensPerMinute > 0 ? Math.Min(tokens, tokensPerMinute) : tokens]),
                cancellationToken)
            : default;
        if (!answered)
        {
            return new(_own.TryTake(tokens), Blocked: false);
        }

        if (wait < 0)
        {
            BlockHere(TimeSpan.FromMilliseconds(-wait));
            return new(TimeSpan.FromMilliseconds(-wait), Blocked: true);
        }

        if (wait == 0)
        {
            _own.TryTake(tokens, force: true);
        }

        return new(TimeSpan.FromMilliseconds(wait), Blocked: false);
    }

    /// <summary>A call is about to come: what other replicas know is asked for while it does something else.</summary>
    public void Foresee()
    {
        if (requestsPerMinute == 0 && tokensPerMinute == 0)
        {
            _ = LookAsync();
        }
    }

    // Calls that come together, and one that was foreseen, share an answer.
    private Task<TimeSpan> LookAsync()
    {
        if (!connection.IsConfigured)
        {
            return Task.FromResult(TimeSpan.Zero);
        }

        lock (_looking)
        {
            if (_look is null || (_look.IsCompleted && time.GetElapsedTime(_lookedAt) > s_lookAge))
            {
                (_look, _lookedAt) = (AskAsync(), time.GetTimestamp());
            }

            return _look;
        }

        async Task<TimeSpan> AskAsync()
        {
            var (_, left) = await connection.TryGetAsync(database => database.KeyTimeToLiveAsync(_keys[1]));
            if (left is { } blocked && blocked > TimeSpan.Zero)
            {
                BlockHere(blocked);
                return blocked;
            }

            return TimeSpan.Zero;
        }
    }

    /// <summary>The endpoint said that it takes nothing for a time: all replicas keep to it. A longer block that is known already stays.</summary>
    public async ValueTask BlockAsync(TimeSpan duration)
    {
        if (duration > TimeSpan.Zero)
        {
            BlockHere(duration);
            var milliseconds = (long)Math.Ceiling(duration.TotalMilliseconds);
            await connection.TryAsync(database => database.ScriptEvaluateAsync(script: BlockScript, keys: [_keys[1]], values: [milliseconds]));
        }
    }

    private void BlockHere(TimeSpan duration)
    {
        var until = time.GetTimestamp() + (long)(duration.TotalSeconds * time.TimestampFrequency);
        var known = Interlocked.Read(ref _blockedUntil);
        while (until > known)
        {
            var seen = Interlocked.CompareExchange(ref _blockedUntil, until, known);
            if (seen == known)
            {
                return;
            }

            known = seen;
        }
    }

    private const string BlockScript =
        "if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end return 1";

    // Zero: taken. Above: wait so long. Below: the endpoint is blocked for so long.
    // One hash per endpoint, with a field for the requests and one for the tokens of each of the last 61 seconds, by the server's clock.
    private const string TakeScript = """
        local blocked = redis.call('PTTL', KEYS[2])
        if blocked > 0 then return -blocked end
        if redis.replicate_commands then redis.replicate_commands() end
        local clock = redis.call('TIME')
        local now, millis = tonumber(clock[1]), math.floor(tonumber(clock[2]) / 1000)
        local rpm, tpm, tokens = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
        local all = redis.call('HGETALL', KEYS[1])
        local seconds, requests, spent, total, used = {}, {}, {}, 0, 0
        for i = 1, #all, 2 do
            local kind, second, value = string.sub(all[i], 1, 1), tonumber(string.sub(all[i], 2)), tonumber(all[i + 1])
            if second <= now - 61 then
                redis.call('HDEL', KEYS[1], all[i])
            else
                if requests[second] == nil then requests[second] = 0 spent[second] = 0 table.insert(seconds, second) end
                if kind == 'r' then requests[second] = value total = total + value else spent[second] = value used = used + value end
            end
        end
        local function fits() return (rpm == 0 or total < rpm) and (tpm == 0 or used + tokens <= tpm) end
        if fits() then
            redis.call('HINCRBY', KEYS[1], 'r' .. now, 1)
            redis.call('HINCRBY', KEYS[1], 't' .. now, tokens)
            redis.call('EXPIRE', KEYS[1], 62)
            return 0
        end
        table.sort(seconds)
        for i, second in ipairs(seconds) do
            total = total - requests[second]
            used = used - spent[second]
            if fits() then return math.max(1, (second + 61 - now) * 1000 - millis) end
        end
        return 1000
        """;
}

/// <summary>Whether a request may be made now.</summary>
/// <param name="Wait">Zero when it was taken; otherwise how long to wait before asking again.</param>
/// <param name="Blocked">Whether the endpoint asked to be left alone; otherwise its limits are used up.</param>
internal readonly record struct RateDecision(TimeSpan Wait, bool Blocked);
