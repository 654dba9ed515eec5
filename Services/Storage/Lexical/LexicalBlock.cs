using System.Buffers;
using System.Runtime.InteropServices;

namespace RagPlatform.Storage;

/// <summary>A term's occurrences in a chunk.</summary>
/// <param name="DocumentKey">The chunk's document; above 0.</param>
/// <param name="LexicalId">Names the chunk's keyword text; above 0.</param>
/// <param name="Frequency">How often the term occurs, at least once.</param>
/// <param name="Length">The chunk's length in terms.</param>
public readonly record struct Posting(long DocumentKey, long LexicalId, int Frequency, int Length)
{
    /// <summary>The order of postings in a block: by document, then by lexical id.</summary>
    public static int Compare(Posting a, Posting b) =>
        a.DocumentKey != b.DocumentKey ? a.DocumentKey.CompareTo(b.DocumentKey) : a.LexicalId.CompareTo(b.LexicalId);
}

/// <summary>
/// The packed form of a term's postings: for each, in their order, the distance to the document before, the distance to the lexical id before
/// (its sign in the lowest bit), the frequency and the length, as variable-length integers of 7 bits a byte, lowest first. Distances are small
/// where keys are given in turn, so a posting takes 4 to 7 bytes.
/// </summary>
public static class LexicalBlock
{
    /// <summary>Postings of a full block: about 2 kB, so that PostgreSQL keeps it in the row.</summary>
    public const int Capacity = 360;

    /// <summary>Packs postings.</summary>
    /// <param name="postings">In the order of <see cref="Posting.Compare"/>.</param>
    /// <exception cref="ArgumentException">Postings are not in order, or a number is negative.</exception>
    public static byte[] Encode(ReadOnlySpan<Posting> postings)
    {
        var writer = new ArrayBufferWriter<byte>(Math.Max(16, postings.Length * 5));
        var previous = default(Posting);
        foreach (var posting in postings)
        {
            if (Posting.Compare(previous, posting) >= 0 || posting.LexicalId <= 0 || posting.Frequency < 0 || posting.Length < 0)
            {
                throw new ArgumentException("Postings must be in order, with ids above 0 and no negative numbers.", nameof(postings));
            }

            var step = posting.LexicalId - previous.LexicalId;
            Write(writer, (ulong)(posting.DocumentKey - previous.DocumentKey));
            Write(writer, (ulong)((step << 1) ^ (step >> 63)));
            Write(writer, (ulong)posting.Frequency);
            Write(writer, (ulong)posting.Length);
            previous = posting;
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

    /// <summary>How many different documents postings are of.</summary>
    /// <param name="postings">In order.</param>
    public static int CountDocuments(ReadOnlySpan<Posting> postings)
    {
        var documents = 0;
        var last = 0L;
        foreach (var posting in postings)
        {
            documents += posting.DocumentKey != last ? 1 : 0;
            last = posting.DocumentKey;
        }

        return documents;
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
        private long _document;
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

            _document += (long)Read();
            var step = Read();
            _id += (long)(step >> 1) ^ -(long)(step & 1);
            var frequency = (int)Read();
            posting = new Posting(_document, _id, frequency, (int)Read());
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
