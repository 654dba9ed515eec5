using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>Names a vector: SHA-256 of the text as it is embedded, and the space.</summary>
internal readonly struct VectorKey : IEquatable<VectorKey>
{
    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    /// <param name="hash">32 bytes.</param>
    /// <param name="space">The space's id.</param>
    public VectorKey(ReadOnlySpan<byte> hash, string space)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(hash[..32]);
        (_a, _b, _c, _d) = (words[0], words[1], words[2], words[3]);
        Space = space;
    }

    /// <summary>The space's id.</summary>
    public string Space { get; }

    /// <summary>The key of a text.</summary>
    /// <param name="prompt">What the provider gets before the text.</param>
    /// <param name="text">The text.</param>
    /// <param name="space">The space's id.</param>
    public static VectorKey Create(string prompt, string text, string space)
    {
        var size = Encoding.UTF8.GetMaxByteCount(prompt.Length + text.Length);
        byte[]? rented = null;
        var utf8 = size <= 2048 ? stackalloc byte[2048] : rented = ArrayPool<byte>.Shared.Rent(size);
        var length = Encoding.UTF8.GetBytes(prompt, utf8);
        length += Encoding.UTF8.GetBytes(text, utf8[length..]);
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(utf8[..length], hash);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented, clearArray: true);
        }

        return new VectorKey(hash, space);
    }

    /// <summary>Writes the hash.</summary>
    /// <param name="destination">At least 32 bytes.</param>
    public void CopyHashTo(Span<byte> destination)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(destination);
        (words[0], words[1], words[2], words[3]) = (_a, _b, _c, _d);
    }

    /// <summary>The hash, 32 bytes.</summary>
    public byte[] HashBytes()
    {
        var hash = new byte[32];
        CopyHashTo(hash);
        return hash;
    }

    /// <summary>Two independent numbers for a filter in this process: not the same in another one. The second is odd.</summary>
    public (ulong First, ulong Second) Fingerprint()
    {
        var space = (ulong)(uint)Space.GetHashCode(StringComparison.Ordinal) * 0x9E37_79B9_7F4A_7C15;
        return (_a ^ space, (_b ^ space) | 1);
    }

    public bool Equals(VectorKey other) => _a == other._a && _b == other._b && _c == other._c && _d == other._d && Space == other.Space;

    public override bool Equals(object? obj) => obj is VectorKey other && Equals(other);

    // Part of a cryptographic hash is as good a hash as there is; spaces share few texts.
    public override int GetHashCode() => (int)_a;
}
