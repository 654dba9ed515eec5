using System.Collections.Concurrent;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>
/// L1: vectors in memory, evicted by SIEVE (Zhang et al., NSDI 2024): a hit sets a bit without a lock, so that readers never wait for each other,
/// and on skewed loads fewer are missed than with LRU. Bounded by entries and bytes; an entry that nobody used for a time is gone,
/// and one that is in use after a longer time too: it is read again from the tier below, which may know better.
/// </summary>
internal sealed class MemoryTier(int maxEntries, long maxBytes, TimeSpan ttl, TimeSpan maxAge, TimeProvider time)
{
    // Key, node, dictionary entry and array header, measured on 64 bits.
    private const int EntryOverhead = 240;

    private readonly ConcurrentDictionary<VectorKey, Entry> _entries = new();
    private readonly long _ttl = (long)(ttl.TotalSeconds * time.TimestampFrequency);
    private readonly long _maxAge = (long)(maxAge.TotalSeconds * time.TimestampFrequency);
    private readonly Lock _lock = new();
    private Entry? _newest;
    private Entry? _oldest;
    private Entry? _hand;
    private int _count;
    private long _bytes;

    /// <summary>Entries now.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Bytes now, with overhead.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>When the oldest entry was written; null when there is none.</summary>
    public TimeSpan? OldestAge
    {
        get
        {
            lock (_lock)
            {
                return _oldest is null ? null : time.GetElapsedTime(_oldest.Written);
            }
        }
    }

    /// <summary>Finds a vector and notes that it was used.</summary>
    public bool TryGet(in VectorKey key, out CachedVector vector)
    {
        if (_entries.TryGetValue(key, out var entry))
        {
            var now = time.GetTimestamp();
            if (now - Volatile.Read(ref entry.Used) <= _ttl && now - entry.Written <= _maxAge)
            {
                entry.Visited = true;
                Volatile.Write(ref entry.Used, now);
                vector = entry.Vector;
                return true;
            }

            Remove(key);
        }

        vector = null!;
        return false;
    }

    /// <summary>Adds a vector; one that is there stays.</summary>
    public void Add(in VectorKey key, CachedVector vector)
    {
        var size = Size(vector);
        if (maxEntries == 0 || size > maxBytes)
        {
            return;
        }

        var now = time.GetTimestamp();
        var entry = new Entry(key, vector, size) { Used = now, Written = now };
        lock (_lock)
        {
            if (!_entries.TryAdd(key, entry))
            {
                return;
            }

            // Room first: the new entry is no candidate.
            while (_count + 1 > maxEntries || _bytes + size > maxBytes)
            {
                Evict(now);
            }

            entry.Older = _newest;
            if (_newest is not null)
            {
                _newest.Newer = entry;
            }

            _newest = entry;
            _oldest ??= entry;
            _count++;
            _bytes += size;
        }
    }

    /// <summary>Removes a vector; false when it was not there.</summary>
    public bool Remove(in VectorKey key)
    {
        lock (_lock)
        {
            if (!_entries.TryRemove(key, out var entry))
            {
                return false;
            }

            Unlink(entry);
            return true;
        }
    }

    /// <summary>Removes what a condition holds for.</summary>
    /// <param name="condition">Gets the key and the age since it was written.</param>
    /// <returns>How many were removed.</returns>
    public int RemoveWhere(Func<VectorKey, TimeSpan, bool> condition)
    {
        var removed = 0;
        foreach (var (key, entry) in _entries)
        {
            if (condition(key, time.GetElapsedTime(entry.Written)) && Remove(key))
            {
                removed++;
            }
        }

        return removed;
    }

    private static long Size(CachedVector vector) => EntryOverhead + ((long)vector.Values.Length * sizeof(float));

    // From the oldest to the newest: what was used since the hand came by last is spared once.
    private void Evict(long now)
    {
        var candidate = _hand ?? _oldest!;
        while (candidate.Visited && now - Volatile.Read(ref candidate.Used) <= _ttl)
        {
            candidate.Visited = false;
            candidate = candidate.Newer ?? _oldest!;
        }

        _hand = candidate.Newer;
        _entries.TryRemove(candidate.Key, out _);
        Unlink(candidate);
    }

    private void Unlink(Entry entry)
    {
        if (_hand == entry)
        {
            _hand = entry.Newer;
        }

        if (entry.Newer is null)
        {
            _newest = entry.Older;
        }
        else
        {
            entry.Newer.Older = entry.Older;
        }

        if (entry.Older is null)
        {
            _oldest = entry.Newer;
        }
        else
        {
            entry.Older.Newer = entry.Newer;
        }

        _count--;
        _bytes -= entry.Size;
    }

    private sealed class Entry(VectorKey key, CachedVector vector, long size)
    {
        public VectorKey Key { get; } = key;

        public CachedVector Vector { get; } = vector;

        public long Size { get; } = size;

        public long Written { get; init; }

        public volatile bool Visited;

        public long Used;

        public Entry? Newer;

        public Entry? Older;
    }
}
