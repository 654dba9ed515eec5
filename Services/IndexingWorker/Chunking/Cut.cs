namespace RagPlatform.IndexingWorker.Chunking;

/// <summary>What a place is at which a text may be cut; the lower, the better a place it is.</summary>
internal enum CutKind : byte
{
    /// <summary>Before a heading of depth 1; deeper headings follow up to 5.</summary>
    Heading = 0,

    /// <summary>Before a block: a paragraph, a list, a fenced block, a table.</summary>
    Block = 6,

    /// <summary>Before a list item, or a line of a block that is too long to stay whole.</summary>
    Item = 7,

    /// <summary>Before a sentence.</summary>
    Sentence = 8,

    /// <summary>Before a line within a sentence.</summary>
    Line = 9,

    /// <summary>Before a word.</summary>
    Word = 10,

    /// <summary>Between two characters.</summary>
    Character = 11,
}

/// <summary>A place at which a text may be cut.</summary>
/// <param name="Offset">Characters before it.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Hash">Of the text that follows, up to the next place: depends on nothing that is far away.</param>
internal readonly record struct Cut(int Offset, CutKind Kind, uint Hash)
{
    /// <summary>Characters that follow a place and decide about it, at most.</summary>
    private const int HashedLength = 64;

    /// <summary>Order of preference, lowest first: the kind, then chance that only depends on the text.</summary>
    public ulong Key => ((ulong)Kind << 32) | Hash;

    /// <summary>FNV-1a of the first characters of <paramref name="text"/>, mixed so that every bit counts.</summary>
    public static uint HashOf(ReadOnlySpan<char> text)
    {
        var hash = 2166136261u;
        foreach (var c in text[..Math.Min(text.Length, HashedLength)])
        {
            hash = (hash ^ c) * 16777619u;
        }

        hash ^= hash >> 16;
        hash *= 0x85ebca6bu;
        hash ^= hash >> 13;
        hash *= 0xc2b2ae35u;
        return hash ^ (hash >> 16);
    }
}

/// <summary>A heading of a Markdown text.</summary>
/// <param name="Offset">Characters before it.</param>
/// <param name="Depth">1 to 6.</param>
/// <param name="Text">Its text, without marks.</param>
internal readonly record struct Heading(int Offset, int Depth, string Text);

/// <summary>A table that is too long to stay whole.</summary>
/// <param name="Start">Characters before its header.</param>
/// <param name="HeaderEnd">Characters before its first row: behind the line below the header.</param>
/// <param name="End">Characters before what follows it.</param>
internal readonly record struct Table(int Start, int HeaderEnd, int End);
