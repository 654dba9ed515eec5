using System.Buffers;
using System.Runtime.InteropServices;

namespace RagPlatform.EmbeddingService.Providers.Hashing;

/// <summary>The distinct words of one text and how often each occurs, in order of first occurrence. Memory is rented: dispose it.</summary>
internal ref struct WordCounts
{
    private const int InitialWords = 256;
    private const int InitialCharacters = 2048;

    private int[] _slots; // 1-based index into _entries, 0 = free; a power of two long, at most half full
    private int _slotMask;
    private Entry[] _entries;
    private char[] _characters;
    private int _charactersUsed;

    public WordCounts()
    {
        _entries = ArrayPool<Entry>.Shared.Rent(InitialWords);
        _characters = ArrayPool<char>.Shared.Rent(InitialCharacters);
        _slots = RentSlots(InitialWords * 2);
    }

    /// <summary>The number of distinct words.</summary>
    public int Count { get; private set; }

    /// <summary>The number of words, repeated ones counted again.</summary>
    public int Total { get; private set; }

    /// <summary>A distinct word.</summary>
    /// <param name="index">Its place in the order of first occurrence, from 0.</param>
    /// <param name="hash">Its hash, see <see cref="FeatureHash.OfWord"/>.</param>
    /// <param name="count">How often it occurs.</param>
    public readonly ReadOnlySpan<char> Get(int index, out ulong hash, out int count)
    {
        ref readonly var entry = ref _entries[index];
        hash = entry.Hash;
        count = entry.Count;
        return _characters.AsSpan(entry.Start, entry.Length);
    }

    /// <summary>Counts one occurrence of a word. Words are told apart by their 64-bit hash.</summary>
    public void Add(scoped ReadOnlySpan<char> word)
    {
        Total++;
        var hash = FeatureHash.OfWord(word);
        var slot = (int)hash & _slotMask;
        for (; _slots[slot] != 0; slot = (slot + 1) & _slotMask)
        {
            ref var entry = ref _entries[_slots[slot] - 1];
            if (entry.Hash == hash)
            {
                entry.Count++;
                return;
            }
        }

        if (Count == _entries.Length)
        {
            Grow(ref _entries, Count);
        }

        if (_charactersUsed + word.Length > _characters.Length)
        {
            Grow(ref _characters, _charactersUsed);
        }

        word.CopyTo(_characters.AsSpan(_charactersUsed));
        _entries[Count] = new Entry { Hash = hash, Count = 1, Start = _charactersUsed, Length = word.Length };
        _charactersUsed += word.Length;
        _slots[slot] = ++Count;
        if (Count * 2 > _slotMask)
        {
            GrowSlots();
        }
    }

    public readonly void Dispose()
    {
        ArrayPool<int>.Shared.Return(_slots);
        ArrayPool<Entry>.Shared.Return(_entries);
        ArrayPool<char>.Shared.Return(_characters);
    }

    private int[] RentSlots(int length)
    {
        var slots = ArrayPool<int>.Shared.Rent(length);
        slots.AsSpan(0, length).Clear();
        _slotMask = length - 1;
        return slots;
    }

    private void GrowSlots()
    {
        ArrayPool<int>.Shared.Return(_slots);
        _slots = RentSlots((_slotMask + 1) * 4);
        for (var i = 0; i < Count; i++)
        {
            var slot = (int)_entries[i].Hash & _slotMask;
            while (_slots[slot] != 0)
            {
                slot = (slot + 1) & _slotMask;
            }

            _slots[slot] = i + 1;
        }
    }

    private static void Grow<T>(ref T[] array, int used)
    {
        var larger = ArrayPool<T>.Shared.Rent(array.Length * 2);
        array.AsSpan(0, used).CopyTo(larger);
        ArrayPool<T>.Shared.Return(array);
        array = larger;
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Entry
    {
        public ulong Hash;
        public int Count;
        public int Start;
        public int Length;
    }
}
