namespace RagPlatform.IndexingWorker.Chunking;

/// <summary>Finds where sentences, words and characters begin.</summary>
internal static class Sentences
{
    // Dots after these do not end a sentence. Compared without case.
    private static readonly HashSet<string> s_abbreviations = new(StringComparer.OrdinalIgnoreCase)
    {
        "mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "e.g", "i.e", "cf", "fig", "eq", "no", "vol", "al", "ca", "approx",
        "z.b", "d.h", "u.a", "bzw", "usw", "nr", "str", "inc", "ltd", "co", "jr", "sr", "dept", "est", "resp", "sec", "ch", "p", "pp",
    };

    /// <summary>Whether a sentence begins at <paramref name="offset"/>, because the text before it ends one.</summary>
    public static bool BeginsAt(ReadOnlySpan<char> text, int offset)
    {
        if (offset <= 0 || offset >= text.Length || char.IsWhiteSpace(text[offset]))
        {
            return false;
        }

        if (IsIdeographicStop(text[offset - 1]))
        {
            return !IsIdeographicStop(text[offset]) && !IsCloser(text[offset]);
        }

        if (!char.IsWhiteSpace(text[offset - 1]) || char.IsLower(text[offset]))
        {
            return false;
        }

        var end = offset - 1;
        while (end >= 0 && char.IsWhiteSpace(text[end]))
        {
            end--;
        }

        while (end >= 0 && IsCloser(text[end]))
        {
            end--;
        }

        if (end < 0)
        {
            return false;
        }

        return text[end] switch
        {
            '!' or '?' or '…' => true,
            '.' => !IsAbbreviation(text, end),
            var c => IsIdeographicStop(c),
        };
    }

    /// <summary>Whether a word begins at <paramref name="offset"/>.</summary>
    public static bool WordBeginsAt(ReadOnlySpan<char> text, int offset)
    {
        var c = text[offset];
        if (char.IsWhiteSpace(c) || char.IsLowSurrogate(c))
        {
            return false;
        }

        return char.IsWhiteSpace(text[offset - 1]) || (IsIdeograph(c) && IsIdeograph(text[offset - 1]));
    }

    /// <summary>Whether a cut at <paramref name="offset"/> leaves every character whole, with its combining marks.</summary>
    public static bool CharacterBeginsAt(ReadOnlySpan<char> text, int offset) =>
        !char.IsLowSurrogate(text[offset])
        && char.GetUnicodeCategory(text[offset]) is not (
            System.Globalization.UnicodeCategory.NonSpacingMark or System.Globalization.UnicodeCategory.EnclosingMark)
        && text[offset] != '\u200d' && text[offset - 1] != '\u200d';

    /// <summary>The last place up to <paramref name="offset"/> that leaves every code point whole.</summary>
    public static int CodePointBegin(ReadOnlySpan<char> text, int offset) =>
        offset > 1 && char.IsLowSurrogate(text[offset]) && char.IsHighSurrogate(text[offset - 1]) ? offset - 1 : offset;

    private static bool IsAbbreviation(ReadOnlySpan<char> text, int dot)
    {
        var start = dot;
        while (start > 0 && dot - start < 8 && (char.IsLetter(text[start - 1]) || text[start - 1] == '.'))
        {
            start--;
        }

        var word = text[start..dot];

        // One letter is an initial: "J. Smith".
        return (word.Length == 1 && char.IsUpper(word[0]))
            || (word.Length > 0 && s_abbreviations.GetAlternateLookup<ReadOnlySpan<char>>().Contains(word));
    }

    private static bool IsCloser(char c) => c is '"' or '\'' or ')' or ']' or '”' or '’' or '»' or '」' or '』' or '）' or '*' or '_';

    private static bool IsIdeographicStop(char c) => c is '。' or '！' or '？' or '｡';

    private static bool IsIdeograph(char c) => c is (>= '\u3040' and <= '\u30ff') or (>= '\u3400' and <= '\u9fff') or (>= '\uac00' and <= '\ud7af');
}
