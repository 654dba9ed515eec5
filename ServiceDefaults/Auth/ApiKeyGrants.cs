using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Internal;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.ServiceDefaults.Auth;

/// <summary>
/// Workspace keys by their hash, remembered for <see cref="AuthOptions.KeyCacheDuration"/>, unknown keys as well, so that neither a busy
/// client nor a guessing one costs a query each time.
/// </summary>
internal sealed class ApiKeyGrants : IDisposable
{
    private const int MaxEntries = 10_000;

    private readonly IApiKeyStore? _store;
    private readonly TimeSpan _duration;
    private readonly MemoryCache _cache;
    private readonly TimeProvider _time;

    public ApiKeyGrants(IOptions<AuthOptions> options, TimeProvider time, IApiKeyStore? store = null)
    {
        _store = store;
        _time = time;
        _duration = options.Value.KeyCacheDuration;
        _cache = new(new MemoryCacheOptions { SizeLimit = MaxEntries, Clock = new Clock(time) });
    }

    /// <summary>What a presented key allows, or <see langword="null"/>.</summary>
    public async ValueTask<ApiKeyGrant?> FindAsync(string presented, CancellationToken cancellationToken)
    {
        if (_store is null)
        {
            return null;
        }

        var hash = AdminKey.Hash(presented);
        if (_duration <= TimeSpan.Zero)
        {
            return await FindAsync(_store, hash, cancellationToken);
        }

        var entryKey = Convert.ToHexString(hash);
        if (_cache.TryGetValue(entryKey, out ApiKeyGrant? known))
        {
            return known;
        }

        var grant = await FindAsync(_store, hash, cancellationToken);
        _cache.Set(entryKey, grant, new MemoryCacheEntryOptions { AbsoluteExpirationRelativeToNow = _duration, Size = 1 });
        return grant;
    }

    private Task<ApiKeyGrant?> FindAsync(IApiKeyStore store, byte[] hash, CancellationToken cancellationToken) =>
        DatabaseDeadline.WaitAsync(token => store.FindAsync(hash, token).AsTask(), DatabaseDeadline.Short, _time, cancellationToken);

    public void Dispose() => _cache.Dispose();

    private sealed class Clock(TimeProvider time) : ISystemClock
    {
        public DateTimeOffset UtcNow => time.GetUtcNow();
    }
}
