using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Connections;
using StackExchange.Redis;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>
/// Which replica calls the provider for a text. The holder renews its leases while it is at it; when it dies, they run out and another takes over.
/// Without Valkey everybody holds: then texts are shared within the process only.
/// </summary>
internal sealed class ValkeyLeases(CacheConnection connection, IOptions<EmbeddingCacheOptions> options)
{
    // In a burst a process is slow to see an answer. Going without a lease costs money, so the timeout of one command is no reason yet.
    private const int Attempts = 3;

    private readonly RedisValue _owner = Guid.NewGuid().ToString("N");
    private readonly string _prefix = options.Value.KeyPrefix + ":v3:lease:";

    /// <summary>Takes what nobody holds.</summary>
    /// <returns>One entry for each key: whether it is held by this process now. All true when Valkey does not answer.</returns>
    public async ValueTask<bool[]> TakeAsync(IReadOnlyList<VectorKey> keys, CancellationToken cancellationToken)
    {
        var taken = new bool[keys.Count];
        for (var attempt = 0; attempt < Attempts && connection.IsAvailable; attempt++)
        {
            var (answered, results) = await connection.TryGetAsync(
                database => Task.WhenAll(keys.Select(key => TakeAsync(database, key))), cancellationToken);
            if (answered && results is not null)
            {
                return results;
            }
        }

        Array.Fill(taken, true);
        return taken;
    }

    /// <summary>Prolongs leases of this process.</summary>
    public ValueTask RenewAsync(IReadOnlyList<VectorKey> keys) =>
        ForOwnAsync(keys, RenewScript, (long)options.Value.LeaseDuration.TotalMilliseconds);

    /// <summary>Gives leases of this process back.</summary>
    public ValueTask ReleaseAsync(IReadOnlyList<VectorKey> keys) => ForOwnAsync(keys, ReleaseScript, 0);

    // An attempt whose answer came too late may have taken the lease after all: then it is ours.
    private async Task<bool> TakeAsync(IDatabase database, VectorKey key) =>
        await database.StringSetAsync(key: Name(key), value: _owner, expiry: options.Value.LeaseDuration, when: When.NotExists)
        || await database.StringGetAsync(key: Name(key)) == _owner;

    private async ValueTask ForOwnAsync(IReadOnlyList<VectorKey> keys, string script, long argument)
    {
        if (keys.Count > 0 && connection.IsConfigured)
        {
            var names = keys.Select(key => (RedisKey)Name(key)).ToArray();
            await connection.TryAsync(database => database.ScriptEvaluateAsync(script: script, keys: names, values: [_owner, argument]));
        }
    }

    private string Name(in VectorKey key) => $"{_prefix}{ValkeyTier.Hex(key)}:{key.Space}";

    private const string RenewScript =
        "for i, k in ipairs(KEYS) do if redis.call('GET', k) == ARGV[1] then redis.call('PEXPIRE', k, ARGV[2]) end end return 1";

    private const string ReleaseScript =
        "for i, k in ipairs(KEYS) do if redis.call('GET', k) == ARGV[1] then redis.call('DEL', k) end end return 1";
}
