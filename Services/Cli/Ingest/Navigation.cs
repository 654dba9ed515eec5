using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using AngleSharp.Dom;

namespace RagPlatform.Cli.Ingest;

/// <summary>
/// Tells what leads to content from what is content: navigation, tables of contents and indexes are mostly links. Paragraphs and cells are
/// never looked at alone, so a sentence may consist of links.
/// </summary>
internal sealed partial class Navigation
{
    // A list of links: few words beside them. An index has its terms beside the links, but there are many.
    private const int ListLinks = 4;
    private const double ListShare = 0.8;
    private const int IndexLinks = 40;
    private const double IndexShare = 0.45;

    // Where an element's own name says what it is, less is enough.
    private const double NamedShare = 0.3;
    private const int LongestBar = 400;

    private static readonly HashSet<string> s_containers = new(StringComparer.Ordinal)
    {
        "div", "section", "aside", "header", "footer", "ul", "ol", "dl", "table", "nav", "menu", "form", "center",
    };

    private static readonly HashSet<string> s_steps = new(StringComparer.OrdinalIgnoreCase)
    {
        "prev", "previous", "next", "up", "home", "top", "contents", "table of contents", "index", "back", "forward", "first", "last", "start",
    };

    private readonly Dictionary<IElement, Measure> _measures = [];

    /// <summary>Measures what is below <paramref name="root"/>.</summary>
    public Navigation(IElement root) => Add(root, inLink: false);

    /// <summary>Whether an element is navigation.</summary>
    public bool Is(IElement element)
    {
        if (element.LocalName == "nav" || element.GetAttribute("role") is "navigation" or "doc-toc" or "doc-index" or "search" or "menu" or "menubar")
        {
            return true;
        }

        if (!s_containers.Contains(element.LocalName) || !_measures.TryGetValue(element, out var m) || m.Links == 0)
        {
            return false;
        }

        var share = (double)m.LinkText / Math.Max(1, m.Text);
        return (m.Steps >= 2 && m.Text <= LongestBar)
            || (m.Links >= ListLinks && share >= ListShare)
            || (m.Links >= IndexLinks && share >= IndexShare)
            || (share >= NamedShare && IsNamed(element));
    }

    /// <summary>Whether there is text in an element.</summary>
    public bool HasText(IElement element) => TextLength(element) > 0;

    /// <summary>Characters of an element that a reader sees, without white space.</summary>
    public int TextLength(IElement element) => _measures.TryGetValue(element, out var m) ? m.Text : 0;

    private static bool IsNamed(IElement element) =>
        NavigationName().IsMatch(element.ClassName ?? "") || NavigationName().IsMatch(element.Id ?? "");

    private Measure Add(IElement element, bool inLink)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        var sum = default(Measure);
        foreach (var child in element.ChildNodes)
        {
            if (child is IText text)
            {
                var length = text.Data.AsSpan().Length - text.Data.Count(char.IsWhiteSpace);
                sum += new Measure(length, inLink ? length : 0, 0, 0);
            }
            else if (child is IElement inner && !HtmlElements.IsUnseen(inner))
            {
                var isLink = inner.LocalName == "a" && inner.HasAttribute("href");
                sum += Add(inner, inLink || isLink);
                if (isLink)
                {
                    sum += new Measure(0, 0, 1, s_steps.Contains(inner.TextContent.Trim(' ', '\n', '\t', '\u00A0', '«', '»', '‹', '›', '<', '>', '←', '→', '↑')) ? 1 : 0);
                }
            }
        }

        _measures[element] = sum;
        return sum;
    }

    private readonly record struct Measure(int Text, int LinkText, int Links, int Steps)
    {
        public static Measure operator +(Measure a, Measure b) => new(a.Text + b.Text, a.LinkText + b.LinkText, a.Links + b.Links, a.Steps + b.Steps);
    }

    [GeneratedRegex(@"(^|[\s_-])(nav|navbar|navigation|navheader|navfooter|toc|lot|breadcrumbs?|menu|sidebar|pagination|pager|genindex|bookindex|indextable|skip-?link|related|footer|header)($|[\s_-])", RegexOptions.IgnoreCase)]
    private static partial Regex NavigationName();
}
