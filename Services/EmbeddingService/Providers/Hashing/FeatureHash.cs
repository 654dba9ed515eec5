namespace RagPlatform.EmbeddingService.Providers.Hashing;

/// <summary>The hashes behind the features. Written out: <see cref="string.GetHashCode()"/> differs from process to process.</summary>
internal static class FeatureHash
{
    /// <summary>FNV-1a over UTF-16 code units, then the 64-bit finaliser of MurmurHash3: all bits depend on all characters.</summary>
    public static ulong OfWord(ReadOnlySpan<char> word)
    {
        var hash = 14695981039346656037UL;
        foreach (var c in word)
        {
            hash = (hash ^ c) * 1099511628211UL;
        }

        return Mix(hash);
    }

    /// <summary>The hash of four consecutive characters, packed into one number with 16 bits each.</summary>
    public static ulong OfGram(ulong packed) => Mix(packed ^ 0x9E3779B97F4A7C15UL);

    /// <summary>A second, independent hash of the same feature.</summary>
    public static ulong Next(ulong hash) => Mix(hash + 0x9E3779B97F4A7C15UL);

    private static ulong Mix(ulong hash)
    {
        hash ^= hash >> 33;
        hash *= 0xFF51AFD7ED558CCDUL;
        hash ^= hash >> 33;
        hash *= 0xC4CEB9FE1A85EC53UL;
        return hash ^ (hash >> 33);
    }
}
