using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace RagPlatform.Cli.Ingest;

/// <summary>Turns an HTML page into the text that a reader sees: headings, lists, tables and code as Markdown, so that it is cut well.</summary>
internal sealed class HtmlText
{
    private const string ListSeries = "list";
    private const string RowSeries = "rows";
    private const string DefinitionSeries = "definition";

    // Soft hyphens and marks without width: nobody sees them, and they part words.
    private const string Invisible = "\u00AD\uFEFF\u2060";

    private static readonly HashSet<string> s_remarks = new(StringComparer.OrdinalIgnoreCase) { "note", "tip", "hint", "caution", "warning", "important", "danger" };

    private readonly Navigation _navigation;
    private readonly List<TextBlock> _blocks = [];
    private readonly StringBuilder _line = new();
    private string _mark = "";
    private string _indent = "";
    private string? _series;
    private int _leftOut;

    private HtmlText(Navigation navigation) => _navigation = navigation;

    /// <summary>
    /// The title (<c>title</c>, else the first <c>h1</c>, else empty) and the text of every <c>main</c> that has some, else of the body.
    /// Navigation is left out and counted.
    /// </summary>
    /// <exception cref="InsufficientExecutionStackException">Its elements are nested too deeply.</exception>
    public static HtmlPage Read(string html)
    {
        if (HtmlElements.IsTooDeep(html))
        {
            throw new InsufficientExecutionStackException();
        }

        using var document = new HtmlParser().ParseDocument(html);
        var title = HtmlElements.Collapse(document.Title ?? "");
        if (title.Length == 0)
        {
            title = HtmlElements.Collapse(document.QuerySelector("h1")?.TextContent ?? "");
        }

        if (document.Body is not { } body)
        {
            return new HtmlPage(title, [], 0);
        }

        var navigation = new Navigation(body);
        var main = body.QuerySelectorAll("main, [role=main]")
            .Where(e => e.ParentElement?.Closest("main, [role=main]") is null && !HtmlElements.IsUnseen(e) && navigation.HasText(e))
            .ToArray();
        var page = ReadPart(main.Length > 0 ? main : [body], navigation);
        var around = main.Length > 0 && main.Sum(navigation.TextLength) < navigation.TextLength(body) ? 1 : 0;
        return new HtmlPage(title, page._blocks, page._leftOut + around);
    }

    /// <summary>The text of an element on one line.</summary>
    internal static string Line(IElement element, Navigation navigation) =>
        HtmlElements.Collapse(string.Join(' ', ReadPart([element], navigation)._blocks.Select(block => block.Text)));

    private static HtmlText ReadPart(IReadOnlyList<IElement> roots, Navigation navigation)
    {
        var text = new HtmlText(navigation);
        foreach (var root in roots)
        {
            text.WriteChildren(root);
            text.EndBlock();
        }

        return text;
    }

    private void WriteChildren(INode node)
    {
        // A page may be nested deeper than there is stack: it is refused, and the others go on.
        RuntimeHelpers.EnsureSufficientExecutionStack();
        foreach (var child in node.ChildNodes)
        {
            switch (child)
            {
                case IText text:
                    AppendInline(text.Data);
                    break;
                case IElement element when HtmlElements.IsUnseen(element):
                    break;
                case IElement element when _navigation.Is(element):
                    EndBlock();
                    _leftOut++;
                    break;
                case IElement element:
                    WriteElement(element);
                    break;
            }
        }
    }

    private void WriteElement(IElement element)
    {
        switch (element.LocalName)
        {
            case var _ when HtmlElements.HeadingDepth(element) is var depth && depth > 0:
                WriteHeading(element, depth);
                break;
            case "ul" or "ol" or "menu" or "dir":
                WriteList(element);
                break;
            case "li":
                WriteItem(element, "- ");
                break;
            case "dt":
                WriteBlock(element, null);
                break;
            case "dd":
                WriteDefinition(element);
                break;
            case "table":
                WriteTable(element);
                break;
            case "pre" or "listing" or "xmp":
                EndBlock();
                WriteCode(PreformattedText.Of(element));
                break;
            case "br":
                _line.Append('\n');
                break;
            case "img":
                AppendInline(" " + element.GetAttribute("alt") + " ");
                break;
            case "math":
                AppendInline(element.GetAttribute("alttext") ?? element.TextContent);
                break;
            case "rt":
                _line.Append('(');
                WriteChildren(element);
                _line.Append(')');
                break;
            case "q":
                _line.Append('"');
                WriteChildren(element);
                _line.Append('"');
                break;
            case var _ when HtmlElements.IsInline(element):
                WriteChildren(element);
                break;
            default:
                WriteBlock(element, _mark.Length > 0 ? _series : null);
                break;
        }
    }

    private void WriteHeading(IElement element, int depth)
    {
        EndBlock();
        var text = Line(element, _navigation);
        if (text.Length > 0)
        {
            // What is written over a remark says nothing about what follows the remark.
            var isRemark = s_remarks.Contains(text.TrimEnd(':'));
            _blocks.Add(new TextBlock(isRemark ? $"**{text}**" : new string('#', depth) + " " + text, null, IsHeading: !isRemark));
        }

        _mark = "";
    }

    private void WriteList(IElement list)
    {
        EndBlock();
        var (indent, number) = (_indent, 0);
        var ordered = list.LocalName == "ol";
        if (ordered && int.TryParse(list.GetAttribute("start"), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var start))
        {
            number = start - 1;
        }

        foreach (var child in list.ChildNodes)
        {
            if (child is IElement { LocalName: "li" } item && !HtmlElements.IsUnseen(item))
            {
                number++;
                WriteItem(item, ordered ? number.ToString(CultureInfo.InvariantCulture) + ". " : "- ");
            }
            else if (child is IElement { LocalName: not "li" } other && !HtmlElements.IsUnseen(other))
            {
                WriteElement(other);
            }
        }

        EndBlock();
        _indent = indent;
    }

    private void WriteItem(IElement item, string mark)
    {
        EndBlock();
        var (indent, series) = (_indent, _series);
        (_mark, _series) = (indent + mark, ListSeries);
        _indent = indent + "  ";
        WriteChildren(item);
        EndBlock();
        (_mark, _indent, _series) = ("", indent, series);
    }

    // On the line below what it explains.
    private void WriteDefinition(IElement element)
    {
        EndBlock();
        if (element.PreviousElementSibling is { LocalName: "dt" or "dd" } before && _blocks is [.., { IsHeading: false } last])
        {
            var series = before.LocalName == "dd" && last.Series is not null ? last.Series : DefinitionSeries + _blocks.Count;
            _blocks[^1] = last with { Series = series };
            WriteBlock(element, series);
        }
        else
        {
            WriteBlock(element, null);
        }
    }

    private void WriteTable(IElement element)
    {
        EndBlock();
        if (HtmlTable.Read(element, _navigation) is not { } table)
        {
            // It arranges the page: its cells are read one after the other.
            WriteBlock(element, null);
            return;
        }

        if (table.Caption.Length > 0)
        {
            _blocks.Add(new TextBlock(table.Caption));
        }

        if (table.Rows.Length > 0)
        {
            _blocks.Add(new TextBlock(table.Rows, RowSeries + _blocks.Count));
        }
    }

    private void WriteCode(string code)
    {
        if (code.Length > 0)
        {
            var fence = "```";
            while (code.Contains(fence, StringComparison.Ordinal))
            {
                fence += "`";
            }

            _blocks.Add(new TextBlock($"{fence}\n{code}\n{fence}"));
        }
    }

    private void WriteBlock(IElement element, string? series)
    {
        EndBlock();
        var outer = _series;
        _series = series;
        WriteChildren(element);
        EndBlock();
        _series = outer;
    }

    private void AppendInline(string text)
    {
        foreach (var c in text)
        {
            if (char.IsWhiteSpace(c))
            {
                if (_line.Length > 0 && _line[^1] is not (' ' or '\n'))
                {
                    _line.Append(' ');
                }
            }
            else if (!Invisible.Contains(c))
            {
                _line.Append(c);
            }
        }
    }

    private void EndBlock()
    {
        var block = _line.ToString().Trim();
        _line.Clear();
        if (block.Length > 0)
        {
            // What follows the first block of an item belongs to it, on a line of its own.
            _blocks.Add(new TextBlock(_mark + block, _series));
            _mark = "";
        }
    }
}
