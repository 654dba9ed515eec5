using System.Text;
using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Search;

/// <summary>What the text of a query says.</summary>
/// <param name="Words">The text without quotes.</param>
/// <param name="Phrases">Regular expressions of PostgreSQL for what was in quotes: the same words in a row, whatever is between them.</param>
internal sealed record QueryText(string Words, IReadOnlyList<string> Phrases)
{
    /// <summary>Reads a query. A quote without its counterpart is a character like any other.</summary>
    public static QueryText Parse(string query)
    {
        var phrases = new List<string>();
        var words = new StringBuilder(query.Length);
        for (var i = 0; i < query.Length; i++)
        {
            var end = query[i] == '"' ? query.IndexOf('"', i + 1) : -1;
            if (end < 0)
            {
                words.Append(query[i]);
                continue;
            }

            var phrase = query.AsSpan(i + 1, end - i - 1);
            if (ToPattern(phrase) is { Length: > 0 } pattern)
            {
                phrases.Add(pattern);
            }

            words.Append(' ').Append(phrase).Append(' ');
            i = end;
        }

        return new(words.ToString().Trim(), phrases);
    }

    /// <summary>The mode that <see cref="SearchMode.Auto"/> stands for, and the others as far as there is text and vector for them.</summary>
    public SearchMode Resolve(SearchMode mode, bool hasVector) => mode switch
    {
        SearchMode.Auto or SearchMode.Hybrid when Words.Length == 0 && hasVector => SearchMode.Vector,
        SearchMode.Auto when Phrases.Count > 0 || IsIdentifier(Words) => SearchMode.Keyword,
        SearchMode.Auto => SearchMode.Hybrid,
        _ => mode,
    };

    // One token with a digit or an underscore, such as an order number or the name of a setting: its neighbours in meaning are of no use.
    private static bool IsIdentifier(string words) => !words.Any(char.IsWhiteSpace) && words.Any(c => char.IsAsciiDigit(c) || c is '_' or '-');

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
