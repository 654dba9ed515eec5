using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>A vector and what its text cost.</summary>
/// <param name="Values">The vector. It is shared: nobody may change it.</param>
/// <param name="Tokens">Tokens of the text, as its provider counted them.</param>
internal sealed record CachedVector(float[] Values, int Tokens);

/// <summary>
/// A vector as bytes: version, flags, two zero bytes, dimensions, tokens, CRC-32C, floats; all little-endian. The checksum also covers the key, so that
/// a value under another text's key is as corrupt as one with a flipped bit.
/// </summary>
internal static class VectorCodec
{
    public const int HeaderSize = 16;
    private const byte Version = 3;

    public static byte[] Encode(in VectorKey key, CachedVector vector)
    {
        var bytes = new byte[HeaderSize + (vector.Values.Length * sizeof(float))];
        bytes[0] = Version;
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), vector.Values.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), vector.Tokens);
        MemoryMarshal.AsBytes(vector.Values.AsSpan()).CopyTo(bytes.AsSpan(HeaderSize));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), Checksum(key, bytes));
        return bytes;
    }

    /// <summary>Reads a value; null when it is not exactly what was written under this key.</summary>
    /// <param name="key">The key that it was found under.</param>
    /// <param name="bytes">The value.</param>
    /// <param name="dimensions">Dimensions of the key's space.</param>
    public static CachedVector? TryDecode(in VectorKey key, ReadOnlySpan<byte> bytes, int dimensions)
    {
        if (bytes.Length != HeaderSize + (dimensions * sizeof(float))
            || bytes[0] != Version
            || BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]) != dimensions
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]) != Checksum(key, bytes))
        {
            return null;
        }

        return new CachedVector(MemoryMarshal.Cast<byte, float>(bytes[HeaderSize..]).ToArray(), BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]));
    }

    // Everything but the checksum itself. CRC-32C is one instruction for eight bytes.
    private static uint Checksum(in VectorKey key, ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[32];
        key.CopyHashTo(hash);
        var crc = Crc(uint.MaxValue, hash);
        foreach (var c in key.Space)
        {
            crc = BitOperations.Crc32C(crc, c);
        }

        crc = Crc(crc, bytes[..12]);
        return ~Crc(crc, bytes[HeaderSize..]);
    }

    private static uint Crc(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (var value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }
}
