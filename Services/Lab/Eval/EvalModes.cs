using System.Globalization;
using System.Text;
using RagPlatform.Contracts;

namespace RagPlatform.Lab.Eval;

/// <summary>Reads and names what an evaluation works with.</summary>
internal static class EvalModes
{
    private const int LongestStem = 40;

    // Not "auto": it is one of these, by the query.
    private static readonly SearchMode?[] s_measured = [SearchMode.Keyword, SearchMode.Vector, SearchMode.Hybrid];

    /// <summary>Reads <c>keyword,vector,hybrid</c>; hybrid comes last, because it is held against the others.</summary>
    /// <param name="modes">The modes, separated by commas.</param>
    /// <param name="addError">Told what is wrong.</param>
    public static SearchMode[] Parse(string modes, Action<string> addError)
    {
        var parsed = new SortedSet<SearchMode>(Comparer<SearchMode>.Create((a, b) => Rank(a).CompareTo(Rank(b))));
        foreach (var name in modes.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (s_measured.FirstOrDefault(known => known.ToString()!.Equals(name, StringComparison.OrdinalIgnoreCase)) is { } mode)
            {
                parsed.Add(mode);
            }
            else
            {
                addError($"'{name}' is no mode. Expected keyword, vector or hybrid.");
            }
        }

        if (parsed.Count == 0)
        {
            addError("--modes names no mode.");
        }

        return [.. parsed];
    }

    /// <summary>A name for a collection's workspace that no other run uses.</summary>
    public static string WorkspaceName(string collection, DateTimeOffset now)
    {
        var name = new StringBuilder("eval-");
        foreach (var c in collection.Take(LongestStem))
        {
            name.Append(char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) ? c : '-');
        }

        return name.Append(CultureInfo.InvariantCulture, $"-{now:yyMMddHHmmss}").ToString();
    }

    private static int Rank(SearchMode mode) => mode switch
    {
        SearchMode.Keyword => 0,
        SearchMode.Vector => 1,
        _ => 2,
    };
}
