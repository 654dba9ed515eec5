using System.Text;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace RagPlatform.Cli.Ingest;

/// <summary>Turns an HTML page into the text that a reader sees, its headings, lists and code as Markdown, so that it is cut well.</summary>
internal sealed class HtmlText
{
    private const string Bullet = "- ";

    private static readonly HashSet<string> s_skipped = new(StringComparer.Ordinal)
    {
        "script", "style", "noscript", "template", "svg", "math", "nav", "iframe", "object", "canvas", "audio", "video", "head",
        "button", "select", "textarea",
    };

    private static readonly HashSet<string> s_inline = new(StringComparer.Ordinal)
    {
        "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd", "label", "mark", "q", "s", "samp",
        "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
    };

    private readonly StringBuilder _text = new();
    private readonly StringBuilder _line = new();
    private string _mark = "";
    private string? _last;

    private HtmlText()
    {
    }

    /// <summary>The title (<c>title</c>, else the first <c>h1</c>, else empty) and the text of <c>main</c>, else of the whole body.</summary>
    public static (string Title, string Text) Read(string html)
    {
        using var document = new HtmlParser().ParseDocument(html);
        var title = Collapse(document.Title ?? "");
        if (title.Length == 0)
        {
            title = Collapse(document.QuerySelector("h1")?.TextContent ?? "");
        }

        var writer = new HtmlText();
        if ((document.QuerySelector("main") ?? document.Body) is { } root)
        {
            writer.WriteChildren(root);
            writer.EndBlock();
        }

        return (title, writer._text.ToString());
    }

    private void WriteChildren(INode node)
    {
        foreach (var child in node.ChildNodes)
        {
            switch (child)
            {
                case IText text:
                    AppendInline(text.Data);
                    break;
                case IElement element when !s_skipped.Contains(element.LocalName) && !element.HasAttribute("hidden"):
                    WriteElement(element);
                    break;
            }
        }
    }

    private void WriteElement(IElement element)
    {
        switch (element.LocalName)
        {
            case "h1" or "h2" or "h3" or "h4" or "h5" or "h6":
                WriteBlock(element, new string('#', element.LocalName[1] - '0') + " ");
                break;
            case "li":
                WriteBlock(element, Bullet, "li");
                break;
            case "tr":
                EndBlock();
                AppendInline(string.Join(" | ", element.Children.Select(cell => Collapse(cell.TextContent)).Where(cell => cell.Length > 0)));
                EndBlock("tr");
                break;
            case "pre":
                EndBlock();
                Append("```\n" + element.TextContent.Trim('\r', '\n').TrimEnd() + "\n```", series: null);
                break;
            case "br":
                _line.Append('\n');
                break;
            case "img":
                AppendInline(" " + element.GetAttribute("alt") + " ");
                break;
            case var name when s_inline.Contains(name):
                WriteChildren(element);
                break;
            default:
                WriteBlock(element, _line.Length == 0 ? _mark : "", _mark == Bullet ? "li" : null);
                break;
        }
    }

    private void WriteBlock(IElement element, string mark, string? series = null)
    {
        EndBlock(_mark == Bullet ? "li" : null);
        _mark = mark;
        WriteChildren(element);
        EndBlock(series);
        _mark = "";
    }

    private void AppendInline(string text)
    {
        foreach (var c in text)
        {
            if (!char.IsWhiteSpace(c))
            {
                _line.Append(c);
            }
            else if (_line.Length > 0 && _line[^1] is not (' ' or '\n'))
            {
                _line.Append(' ');
            }
        }
    }

    // Blocks of one series, such as the items of a list, stand on lines of their own; others have a blank line between.
    private void EndBlock(string? series = null)
    {
        var block = _line.ToString().Trim();
        _line.Clear();
        if (block.Length > 0)
        {
            Append(_mark + block, series);
            _mark = "";
        }
    }

    private void Append(string block, string? series)
    {
        if (_text.Length > 0)
        {
            _text.Append(series is not null && series == _last ? "\n" : "\n\n");
        }

        _text.Append(block);
        _last = series;
    }

    private static string Collapse(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
