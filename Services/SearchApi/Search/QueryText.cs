using System.Text;
using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Search;

/// <summary>What the text of a query says.</summary>
/// <param name="Words">The text without quotes.</param>
/// <param name="Phrases">Regular expressions of PostgreSQL for what was in quotes: the same words in a row, whatever is between them.</param>
/// <param name="Quoted">What was in quotes.</param>
internal sealed record QueryText(string Words, IReadOnlyList<string> Phrases, string Quoted)
{
    /// <summary>
    /// Reads a query. A quotation begins in front of a word and ends behind one: the inches of <c>15" monitor 17" stand</c> quote nothing, and neither does a
    /// quote without its counterpart. Typographic quotes are quotes too.
    /// </summary>
    public static QueryText Parse(string query)
    {
        var phrases = new List<string>();
        var words = new StringBuilder(query.Length);
        var quoted = new StringBuilder();
        for (var i = 0; i < query.Length; i++)
        {
            var end = Opens(query, i) ? FindClosing(query, i) : -1;
            if (end < 0)
            {
                words.Append(query[i]);
                continue;
            }

            var phrase = query.AsSpan(i + 1, end - i - 1);
            if (ToPattern(phrase) is { Length: > 0 } pattern)
            {
                phrases.Add(pattern);
                quoted.Append(phrase).Append(' ');
            }

            words.Append(' ').Append(phrase).Append(' ');
            i = end;
        }

        return new(words.ToString().Trim(), phrases, quoted.ToString().Trim());
    }

    /// <summary>The mode that <see cref="SearchMode.Auto"/> stands for, and the others as far as there is text and vector for them.</summary>
    public SearchMode Resolve(SearchMode mode, bool hasVector) => mode switch
    {
        SearchMode.Auto or SearchMode.Hybrid when Words.Length == 0 && hasVector => SearchMode.Vector,
        SearchMode.Auto when Phrases.Count > 0 || IsIdentifier(Words) => SearchMode.Keyword,
        SearchMode.Auto => SearchMode.Hybrid,
        _ => mode,
    };

    // One token with a digit or an underscore, such as an order number or the name of a setting: its neighbours in meaning are of no use. A hyphen alone makes
    // a word of two, as in "e-mail".
    private static bool IsIdentifier(string words) => !words.Any(char.IsWhiteSpace) && words.Any(c => char.IsAsciiDigit(c) || c == '_');

    private static bool Opens(string query, int i) =>
        query[i] is '"' or '\u201C' or '\u201E'
        && i + 1 < query.Length && !char.IsWhiteSpace(query[i + 1])
        && (i == 0 || !IsWordCharacter(query[i - 1]));

    private static int FindClosing(string query, int from)
    {
        for (var i = from + 1; i < query.Length; i++)
        {
            var closes = query[from] switch
            {
                '"' => query[i] == '"',
                '\u201E' => query[i] is '\u201C' or '\u201D',
                _ => query[i] == '\u201D',
            };
            if (closes && !char.IsWhiteSpace(query[i - 1]) && (i + 1 == query.Length || !IsWordCharacter(query[i + 1])))
            {
                return i;
            }
        }

        return -1;
    }

    private static bool IsWordCharacter(char c) => char.IsLetterOrDigit(c) || char.IsSurrogate(c) || c == '_';

    private static string ToPattern(ReadOnlySpan<char> phrase)
    {
        var pattern = new StringBuilder();
        var inWord = false;
        foreach (var rune in phrase.EnumerateRunes())
        {
            if (Rune.IsLetterOrDigit(rune) || Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark)
            {
                pattern.Append(inWord ? "" : pattern.Length == 0 ? @"\m" : @"[^[:alnum:]]+").Append(rune);
                inWord = true;
            }
            else
            {
                inWord = false;
            }
        }

        return pattern.Length == 0 ? "" : pattern.Append(@"\M").ToString();
    }
}
