using System.Text.RegularExpressions;

namespace RagPlatform.Dashboard.Search;

/// <summary>Finds the words of a query in a passage, for the eye only: what really matched, the index knows.</summary>
public sealed partial class Highlighter
{
    private const int MinStem = 4;
    private const int MaxEnding = 4;
    private const int ExcerptLength = 360;

    // So frequent that marking them would hide the rest.
    private static readonly HashSet<string> s_ignored = new(StringComparer.OrdinalIgnoreCase)
    {
        "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "has", "have", "how", "in", "is", "it",
        "its", "not", "of", "on", "or", "that", "the", "this", "to", "was", "what", "when", "where", "which", "who", "why", "will", "with",
    };

    private readonly string[] _words;

    /// <summary>A highlighter for one query.</summary>
    public Highlighter(string query) => _words =
    [
        .. Words().Matches(query)
            .Select(match => match.Value)
            .Where(word => !s_ignored.Contains(word))
            .Distinct(StringComparer.OrdinalIgnoreCase),
    ];

    /// <summary>The text in pieces, each of which is marked or not; together they are the text.</summary>
    public IReadOnlyList<Piece> Mark(string text)
    {
        var pieces = new List<Piece>();
        var end = 0;
        foreach (var match in Matches(text))
        {
            if (match.Index > end)
            {
                pieces.Add(new(text[end..match.Index], false));
            }

            pieces.Add(new(match.Value, true));
            end = match.Index + match.Length;
        }

        if (end < text.Length)
        {
            pieces.Add(new(text[end..], false));
        }

        return pieces;
    }

    /// <summary>
    /// The stretch of a text, at most 360 characters, that has the most words of the query; the whole text if it is not much longer.
    /// </summary>
    public string Excerpt(string text)
    {
        if (text.Length <= ExcerptLength * 5 / 4)
        {
            return text;
        }

        var matches = Matches(text).Select(match => match.Index).ToArray();
        var (best, most) = (0, 0);
        for (var i = 0; i < matches.Length; i++)
        {
            var inside = matches.Skip(i).TakeWhile(index => index < matches[i] + (ExcerptLength * 3 / 4)).Count();
            if (inside > most)
            {
                (best, most) = (matches[i], inside);
            }
        }

        // A little of what stands before it, and no half words.
        var start = WordStart(text, Math.Max(0, best - (ExcerptLength / 6)));
        var end = start + ExcerptLength >= text.Length ? text.Length : WordStart(text, start + ExcerptLength);
        return (start > 0 ? "… " : "") + text[start..end].Trim() + (end < text.Length ? " …" : "");
    }

    private static int WordStart(string text, int at)
    {
        for (var i = at; i > 0 && i > at - 40; i--)
        {
            if (char.IsWhiteSpace(text[i - 1]))
            {
                return i;
            }
        }

        // Never between the two halves of a character.
        return at > 0 && char.IsLowSurrogate(text[at]) ? at - 1 : at;
    }

    private IEnumerable<Match> Matches(string text) =>
        _words.Length == 0 ? [] : Words().Matches(text).Where(match => _words.Any(word => Alike(word, match.Value)));

    // "index" and "indexing", "document" and "documents": the same beginning, and no more than an ending of difference.
    private static bool Alike(string word, string other)
    {
        if (word.Equals(other, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        var shorter = Math.Min(word.Length, other.Length);
        var common = 0;
        while (common < shorter && char.ToLowerInvariant(word[common]) == char.ToLowerInvariant(other[common]))
        {
            common++;
        }

        return common >= MinStem && common >= shorter - 1 && Math.Max(word.Length, other.Length) - common <= MaxEnding;
    }

    [GeneratedRegex(@"[\p{L}\p{M}\p{Nd}]+")]
    private static partial Regex Words();
}

/// <summary>A piece of a text.</summary>
/// <param name="Text">Its characters.</param>
/// <param name="Marked">Whether it is a word of the query.</param>
public readonly record struct Piece(string Text, bool Marked);
