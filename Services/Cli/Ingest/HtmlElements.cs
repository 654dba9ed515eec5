using System.Text.RegularExpressions;
using AngleSharp.Dom;

namespace RagPlatform.Cli.Ingest;

/// <summary>What elements of HTML are to a reader.</summary>
internal static partial class HtmlElements
{
    // Chromium stops at 512.
    private const int MostDepth = 2000;

    private static readonly HashSet<string> s_selfEnding = new(StringComparer.OrdinalIgnoreCase)
    {
        "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup", "rb", "rt", "rp", "html", "head", "body", "colgroup",
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "path",
    };

    private static readonly HashSet<string> s_unseen = new(StringComparer.Ordinal)
    {
        "script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "audio", "video", "head", "button", "select", "textarea",
        "datalist", "rp", "title",
    };

    private static readonly HashSet<string> s_inline = new(StringComparer.Ordinal)
    {
        "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd", "label", "mark",
        "math", "nobr", "output", "q", "rb", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var",
        "wbr", "picture",
    };

    /// <summary>
    /// Whether elements are opened within each other deeper than any page has them. Parsing such a page takes time that grows with the square
    /// of the depth, so it is looked at before. Elements that end by themselves are not counted.
    /// </summary>
    public static bool IsTooDeep(string html)
    {
        var depth = 0;
        foreach (var tag in Tag().EnumerateMatches(html))
        {
            var name = html.AsSpan(tag.Index + 1, tag.Length - 1);
            var isEnd = name[0] == '/';
            if (!s_selfEnding.GetAlternateLookup<ReadOnlySpan<char>>().Contains(isEnd ? name[1..] : name))
            {
                depth = isEnd ? Math.Max(0, depth - 1) : depth + 1;
                if (depth > MostDepth)
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>Whether a reader does not see it.</summary>
    public static bool IsUnseen(IElement element) =>
        s_unseen.Contains(element.LocalName)
        || element.HasAttribute("hidden")
        || (element.GetAttribute("style") is { Length: > 0 } style && HidingStyle().IsMatch(style))
        || IsPermalink(element);

    /// <summary>Whether it stands within a line.</summary>
    public static bool IsInline(IElement element) => s_inline.Contains(element.LocalName);

    /// <summary>1 to 6 for a heading, else 0.</summary>
    public static int HeadingDepth(IElement element) =>
        element.LocalName is ['h', >= '1' and <= '6'] name ? name[1] - '0' : 0;

    /// <summary>The same text with single spaces.</summary>
    public static string Collapse(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    // The sign beside a heading that leads to it.
    private static bool IsPermalink(IElement element) =>
        element.LocalName == "a" && element.TextContent.Trim() is "¶" or "#" or "§" or "🔗";

    [GeneratedRegex("</?[A-Za-z][A-Za-z0-9]*")]
    private static partial Regex Tag();

    [GeneratedRegex(@"(^|;)\s*(display\s*:\s*none|visibility\s*:\s*hidden)", RegexOptions.IgnoreCase)]
    private static partial Regex HidingStyle();
}
