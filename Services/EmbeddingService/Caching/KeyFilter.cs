using System.Numerics;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>
/// A Bloom filter of vectors' keys: it never denies a key that was added, and takes one in several hundred others for one that was. Two bytes a key.
/// </summary>
internal sealed class KeyFilter
{
    private const int BitsPerKey = 16;
    private const int Probes = 5;

    private readonly ulong[] _words;
    private long _count;

    /// <param name="capacity">Keys, up to which the share of errors holds.</param>
    public KeyFilter(int capacity)
    {
        Capacity = capacity;
        _words = new ulong[BitOperations.RoundUpToPowerOf2((ulong)Math.Max(64, capacity) * BitsPerKey) / 64];
    }

    /// <summary>Keys, up to which the share of errors holds.</summary>
    public int Capacity { get; }

    /// <summary>Keys that were added, each once, apart from a few that looked as if they were there.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>Adds a key. Any number of threads may at once.</summary>
    public void Add(in VectorKey key)
    {
        var added = false;
        var (place, step) = key.Fingerprint();
        for (var i = 0; i < Probes; i++, place += step)
        {
            var bit = 1UL << (int)(place & 63);
            added |= (Interlocked.Or(ref _words[Word(place)], bit) & bit) == 0;
        }

        if (added)
        {
            Interlocked.Increment(ref _count);
        }
    }

    /// <summary>False only when the key was not added.</summary>
    public bool MayHave(in VectorKey key)
    {
        var (place, step) = key.Fingerprint();
        for (var i = 0; i < Probes; i++, place += step)
        {
            if ((Volatile.Read(ref _words[Word(place)]) & (1UL << (int)(place & 63))) == 0)
            {
                return false;
            }
        }

        return true;
    }

    private int Word(ulong place) => (int)((place >> 6) & (ulong)(_words.Length - 1));
}
