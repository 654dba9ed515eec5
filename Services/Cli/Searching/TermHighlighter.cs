namespace RagPlatform.Cli.Searching;

/// <summary>Finds the words of a query in a passage, roughly as keyword search does: ignoring case and endings.</summary>
internal sealed class TermHighlighter
{
    private const int ShortestTerm = 2;
    private const int ShortestStem = 4;

    private static readonly HashSet<string> s_stopWords = new(StringComparer.OrdinalIgnoreCase)
    {
        "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "has", "have", "how", "i", "in", "is", "it", "its",
        "of", "on", "or", "that", "the", "this", "to", "was", "were", "what", "when", "where", "which", "who", "why", "will", "with",
    };

    private readonly string[] _terms;

    /// <summary>A highlighter for the words of <paramref name="query"/>.</summary>
    public TermHighlighter(string query)
    {
        var words = Words(query).Select(range => query[range])
            .Where(word => word.Length >= ShortestTerm).Distinct(StringComparer.OrdinalIgnoreCase).ToArray();
        var telling = words.Where(word => !s_stopWords.Contains(word)).ToArray();
        _terms = telling.Length > 0 ? telling : words;
    }

    /// <summary>Where the words are, in order.</summary>
    public IReadOnlyList<Range> Find(string text) =>
        [.. Words(text).Where(range => _terms.Any(term => IsSameWord(term, text.AsSpan(range))))];

    /// <summary>The part of <paramref name="text"/>, on one line, that holds the most matches.</summary>
    /// <param name="text">The passage.</param>
    /// <param name="length">About the wanted characters.</param>
    public string Snippet(string text, int length)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        if (line.Length <= length)
        {
            return line;
        }

        var matches = Find(line);
        var (start, most) = (0, -1);
        foreach (var match in matches)
        {
            var candidate = Math.Clamp(match.Start.Value - (length / 6), 0, line.Length - length);
            var count = matches.Count(m => m.Start.Value >= candidate && m.End.Value <= candidate + length);
            if (count > most)
            {
                (start, most) = (candidate, count);
            }
        }

        // Whole words only.
        var end = Math.Min(start + length, line.Length);
        start = start == 0 ? 0 : line.IndexOf(' ', start) is var space && space >= 0 && space < end ? space + 1 : start;
        end = end == line.Length ? end : line.LastIndexOf(' ', end) is var last && last > start ? last : end;
        return (start > 0 ? "… " : "") + line[start..end] + (end < line.Length ? " …" : "");
    }

    // "indexes" and "indexing" are one word, "in" and "index" are not: they share all but an ending of up to three letters.
    private static bool IsSameWord(string term, ReadOnlySpan<char> word)
    {
        if (word.Equals(term, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        var common = 0;
        while (common < term.Length && common < word.Length && char.ToLowerInvariant(term[common]) == char.ToLowerInvariant(word[common]))
        {
            common++;
        }

        return common >= ShortestStem && common >= Math.Max(term.Length, word.Length) - 3;
    }

    private static IEnumerable<Range> Words(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            var start = i;
            while (i < text.Length && char.IsLetterOrDigit(text[i]))
            {
                i++;
            }

            if (i > start)
            {
                yield return start..i;
            }
            else
            {
                i++;
            }
        }
    }
}
