using System.Security.Cryptography;
using System.Text;

namespace RagPlatform.IndexingWorker.Chunking;

/// <summary>
/// A passage of a document: a slice of its text. One that begins within a table has the table's header in the place of what it would repeat;
/// from <c>Start + Overlap</c> on it is the document's text in any case.
/// </summary>
/// <param name="Start">Characters (UTF-16) before it in the document's text.</param>
/// <param name="Overlap">Characters at its beginning that repeat a passage before it.</param>
/// <param name="Heading">The headings above it, outermost first, joined by " › "; empty if there are none.</param>
/// <param name="Text">Its text: not empty, without white space at its ends.</param>
internal sealed record Passage(int Start, int Overlap, string Heading, string Text)
{
    /// <summary>What identifies a passage's text: the first 16 bytes of SHA-256 of it in UTF-8.</summary>
    public ContentHash Hash { get; } = ContentHash.Of(Text);
}

/// <summary>The first 16 bytes of SHA-256 of a text in UTF-8.</summary>
internal readonly record struct ContentHash(UInt128 Value)
{
    /// <summary>The length of a hash in bytes.</summary>
    public const int Length = 16;

    /// <summary>The hash of a text.</summary>
    public static ContentHash Of(string text)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(text), digest);
        return FromBytes(digest[..Length]);
    }

    /// <summary>Reads a stored hash.</summary>
    public static ContentHash FromBytes(ReadOnlySpan<byte> bytes) =>
        new(System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes));

    /// <summary>The hash as it is stored.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[Length];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, Value);
        return bytes;
    }
}
