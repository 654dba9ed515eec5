using System.Buffers;
using System.Runtime.InteropServices;

namespace RagPlatform.Storage;

/// <summary>A term's occurrences in a chunk.</summary>
/// <param name="LexicalId">Names the chunk's keyword text; above 0.</param>
/// <param name="Frequency">How often the term occurs, at least once.</param>
/// <param name="Length">The chunk's length in terms.</param>
public readonly record struct Posting(long LexicalId, int Frequency, int Length);

/// <summary>
/// The packed form of a term's postings: for each, by ascending lexical id, the distance to the id before, the frequency and the length as
/// variable-length integers of 7 bits a byte, lowest first. Distances are small where ids are given in turn, so a posting takes 3 to 5 bytes.
/// </summary>
public static class LexicalBlock
{
    /// <summary>Postings of a full block: about 2 kB, so that PostgreSQL keeps it in the row.</summary>
    public const int Capacity = 480;

    /// <summary>Packs postings.</summary>
    /// <param name="postings">In ascending order of their ids.</param>
    /// <exception cref="ArgumentException">Ids do not ascend, or a frequency or length is negative.</exception>
    public static byte[] Encode(ReadOnlySpan<Posting> postings)
    {
        var writer = new ArrayBufferWriter<byte>(Math.Max(16, postings.Length * 5));
        var previous = 0L;
        foreach (var posting in postings)
        {
            if (posting.LexicalId <= previous || posting.Frequency < 0 || posting.Length < 0)
            {
                throw new ArgumentException("Postings must have ascending ids above 0 and no negative numbers.", nameof(postings));
            }

            Write(writer, (ulong)(posting.LexicalId - previous));
            Write(writer, (ulong)posting.Frequency);
            Write(writer, (ulong)posting.Length);
            previous = posting.LexicalId;
        }

        return writer.WrittenSpan.ToArray();
    }

    /// <summary>Unpacks a block.</summary>
    /// <exception cref="InvalidDataException">The block ends within a posting.</exception>
    public static List<Posting> Decode(ReadOnlySpan<byte> block)
    {
        var postings = new List<Posting>(Capacity);
        var reader = new Reader(block);
        while (reader.Next(out var posting))
        {
            postings.Add(posting);
        }

        return postings;
    }

    /// <summary>The highest impact of postings.</summary>
    public static double HighestImpact(ReadOnlySpan<Posting> postings, double averageLength)
    {
        var highest = 0.0;
        foreach (var posting in postings)
        {
            highest = Math.Max(highest, Bm25.Impact(posting.Frequency, posting.Length, averageLength));
        }

        return highest;
    }

    internal static ReadOnlySpan<Posting> Span(List<Posting> postings) => CollectionsMarshal.AsSpan(postings);

    private static void Write(ArrayBufferWriter<byte> writer, ulong value)
    {
        var span = writer.GetSpan(10);
        var i = 0;
        for (; value >= 0x80; value >>= 7)
        {
            span[i++] = (byte)(value | 0x80);
        }

        span[i++] = (byte)value;
        writer.Advance(i);
    }

    /// <summary>Reads a block's postings one after the other.</summary>
    /// <param name="block">A packed block.</param>
    public ref struct Reader(ReadOnlySpan<byte> block)
    {
        private readonly ReadOnlySpan<byte> _block = block;
        private int _position;
        private long _id;

        /// <summary>The next posting; false at the end.</summary>
        /// <exception cref="InvalidDataException">The block ends within a posting.</exception>
        public bool Next(out Posting posting)
        {
            if (_position == _block.Length)
            {
                posting = default;
                return false;
            }

            _id += (long)Read();
            var frequency = (int)Read();
            posting = new Posting(_id, frequency, (int)Read());
            return true;
        }

        private ulong Read()
        {
            var value = 0UL;
            for (var shift = 0; shift < 64; shift += 7)
            {
                if (_position == _block.Length)
                {
                    break;
                }

                var next = _block[_position++];
                value |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80)
                {
                    return value;
                }
            }

            throw new InvalidDataException("A block of postings is damaged.");
        }
    }
}
