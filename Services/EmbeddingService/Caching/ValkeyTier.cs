using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Connections;
using StackExchange.Redis;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>L2: vectors in Valkey, shared by replicas. Whatever goes wrong with it is a miss.</summary>
internal sealed class ValkeyTier(CacheConnection connection, IOptions<EmbeddingCacheOptions> options, TierStatistics statistics)
{
    // A megabyte crosses a loopback in a millisecond; much more would make the command's timeout a matter of size.
    private const int MaxBytesPerCommand = 2 << 20;

    private readonly string _prefix = options.Value.KeyPrefix + ":v3:";

    /// <summary>Whether a read would be tried now.</summary>
    public bool IsAvailable => connection.IsAvailable;

    /// <summary>Whether there is a Valkey at all.</summary>
    public bool IsConfigured => connection.IsConfigured;

    /// <summary>The name of a vector's key.</summary>
    public string Name(in VectorKey key) => $"{_prefix}{Hex(key)}:{key.Space}";

    /// <summary>Reads vectors of one space, in one command per two megabytes.</summary>
    /// <param name="keys">Their keys.</param>
    /// <param name="dimensions">Dimensions of the space.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <param name="again">Whether the same keys were missed before: they are not counted twice.</param>
    /// <returns>One entry for each key: null where there is no sound value.</returns>
    public async ValueTask<CachedVector?[]> GetAsync(
        IReadOnlyList<VectorKey> keys, int dimensions, CancellationToken cancellationToken, bool again = false)
    {
        var vectors = new CachedVector?[keys.Count];
        if (!connection.IsConfigured)
        {
            return vectors;
        }

        var step = Math.Max(1, MaxBytesPerCommand / (VectorCodec.HeaderSize + (dimensions * sizeof(float))));
        for (var start = 0; start < keys.Count; start += step)
        {
            var names = new RedisKey[Math.Min(step, keys.Count - start)];
            for (var i = 0; i < names.Length; i++)
            {
                names[i] = Name(keys[start + i]);
            }

            var answer = await connection.TryGetAsync(database => database.StringGetAsync(names), cancellationToken);
            if (!answer.Answered || answer.Value is null)
            {
                Failed(answer.Late);
                break;
            }

            await DecodeAsync(answer.Value, names, keys, start, dimensions, vectors);
        }

        var hits = vectors.Count(vector => vector is not null);
        statistics.Hit(Tier.L2, hits);
        statistics.Miss(Tier.L2, again ? 0 : keys.Count - hits);
        return vectors;
    }

    /// <summary>Writes vectors in one pipeline.</summary>
    public async ValueTask SetAsync(IReadOnlyList<KeyValuePair<VectorKey, CachedVector>> vectors)
    {
        if (vectors.Count == 0 || !connection.IsConfigured)
        {
            return;
        }

        var answer = await connection.TryGetAsync(async database =>
        {
            var writes = new Task[vectors.Count];
            for (var i = 0; i < writes.Length; i++)
            {
                var (key, vector) = vectors[i];
                writes[i] = database.StringSetAsync(key: Name(key), value: VectorCodec.Encode(key, vector), expiry: Jitter(options.Value.Ttl));
            }

            await Task.WhenAll(writes);
            return true;
        });
        if (!answer.Answered)
        {
            Failed(answer.Late);
        }
    }

    /// <summary>Removes vectors.</summary>
    /// <returns>How many were there; 0 also when Valkey does not answer.</returns>
    public async ValueTask<long> RemoveAsync(IReadOnlyList<VectorKey> keys)
    {
        var names = keys.Select(key => (RedisKey)Name(key)).ToArray();
        return await connection.TryAsync(database => database.KeyDeleteAsync(names));
    }

    /// <summary>Removes every vector of a space, by scanning.</summary>
    /// <param name="space">The space's id.</param>
    /// <param name="cancellationToken">Cancels; what was removed stays so.</param>
    /// <returns>How many were removed.</returns>
    public async Task<long> RemoveSpaceAsync(string space, CancellationToken cancellationToken) => (await RemoveMatchingAsync(space, cancellationToken)).Removed;

    /// <summary>Removes every vector of the model of a space, at any dimensions, and of models that have the same last segment of their name.</summary>
    /// <param name="space">The id of one of its spaces.</param>
    /// <param name="cancellationToken">Cancels; what was removed stays so.</param>
    /// <returns>Whether all are removed: not when Valkey did not answer.</returns>
    public async Task<bool> RemoveModelAsync(string space, CancellationToken cancellationToken) =>
        !connection.IsConfigured || (await RemoveMatchingAsync(space[..(space.LastIndexOf('_', space.LastIndexOf('_') - 1) + 1)] + "*", cancellationToken)).Complete;

    private async Task<(long Removed, bool Complete)> RemoveMatchingAsync(string spaces, CancellationToken cancellationToken)
    {
        var removed = 0L;
        var cursor = "0";
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            var position = cursor;
            var page = await connection.TryAsync(
                database => database.ScriptEvaluateAsync(script: ScanScript, keys: [], values: [position, $"{_prefix}*:{spaces}"]), cancellationToken);
            if (page is null || (RedisResult[]?)page is not { Length: 2 } parts)
            {
                return (removed, false);
            }

            cursor = (string?)parts[0] ?? "0";
            removed += (long)parts[1];
        }
        while (cursor != "0");
        return (removed, true);
    }

    /// <summary>Entries and bytes that Valkey uses, of everything in it; null when it does not answer.</summary>
    public async ValueTask<(long Entries, long Bytes)?> MeasureAsync(CancellationToken cancellationToken)
    {
        var answer = await connection.TryAsync(database => database.ScriptEvaluateAsync(script: MeasureScript, keys: [], values: []), cancellationToken);
        return answer is not null && (RedisResult[]?)answer is { Length: 2 } parts ? ((long)parts[0], (long)parts[1]) : null;
    }

    internal static string Hex(in VectorKey key)
    {
        Span<byte> hash = stackalloc byte[32];
        key.CopyHashTo(hash);
        return Convert.ToHexStringLower(hash);
    }

    // One that was only late is a miss, or a write that has happened by now.
    private void Failed(bool late)
    {
        if (!late)
        {
            statistics.Error(Tier.L2);
        }
    }

    private static TimeSpan Jitter(TimeSpan ttl) => ttl * (0.9 + (Random.Shared.NextDouble() * 0.2));

    private async ValueTask DecodeAsync(
        RedisValue[] values, RedisKey[] names, IReadOnlyList<VectorKey> keys, int start, int dimensions, CachedVector?[] vectors)
    {
        List<RedisKey>? corrupt = null;
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i].IsNull)
            {
                continue;
            }

            vectors[start + i] = VectorCodec.TryDecode(keys[start + i], (byte[]?)values[i], dimensions);
            if (vectors[start + i] is null)
            {
                statistics.CorruptValue(Tier.L2);
                (corrupt ??= []).Add(names[i]);
            }
        }

        if (corrupt is not null)
        {
            await connection.TryAsync(database => database.KeyDeleteAsync([.. corrupt]));
        }
    }

    private const string ScanScript = """
        local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 500)
        local removed = 0
        if #page[2] > 0 then removed = redis.call('UNLINK', unpack(page[2])) end
        return {page[1], removed}
        """;

    private const string MeasureScript = """
        local bytes = string.match(redis.call('INFO', 'memory'), 'used_memory:(%d+)')
        return {redis.call('DBSIZE'), tonumber(bytes) or 0}
        """;
}
