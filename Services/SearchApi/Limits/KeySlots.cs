using System.Security.Claims;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.SearchApi.Limits;

/// <summary>Counts what is held open at the same time: of all together, and of each key, so that one key cannot take what all share.</summary>
/// <param name="most">Of all together.</param>
/// <param name="mostPerKey">Of one key. Callers without a key, and the admin's, share the first limit only.</param>
internal class KeySlots(int most, int mostPerKey)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _byKey = [];
    private int _taken;

    /// <summary>Takes a slot.</summary>
    /// <param name="caller">Who wants it.</param>
    /// <returns>To be disposed, once; null when there is none for the caller.</returns>
    public IDisposable? TryTake(ClaimsPrincipal caller)
    {
        var key = caller.IsAdmin() ? null : caller.FindKeyId();
        lock (_lock)
        {
            if (_taken >= most || (key is not null && _byKey.GetValueOrDefault(key) >= mostPerKey))
            {
                return null;
            }

            _taken++;
            if (key is not null)
            {
                _byKey[key] = _byKey.GetValueOrDefault(key) + 1;
            }
        }

        return new Slot(this, key);
    }

    private void GiveBack(string? key)
    {
        lock (_lock)
        {
            _taken--;
            if (key is not null && --_byKey[key] == 0)
            {
                _byKey.Remove(key);
            }
        }
    }

    private sealed class Slot(KeySlots slots, string? key) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                slots.GiveBack(key);
            }
        }
    }
}

/// <summary>Open streams, and waits for the change feed.</summary>
internal sealed class StreamSlots(IOptions<ApiLimits> limits) : KeySlots(limits.Value.MaxStreams, limits.Value.MaxStreamsPerKey);

/// <summary>Writes that wait until they are searchable.</summary>
internal sealed class WaitSlots(IOptions<ApiLimits> limits) : KeySlots(limits.Value.MaxWaits, limits.Value.MaxWaitsPerKey);
