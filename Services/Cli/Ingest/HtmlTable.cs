using System.Globalization;
using System.Text;
using AngleSharp.Dom;

namespace RagPlatform.Cli.Ingest;

/// <summary>A table of data as a table of Markdown. Empty cells keep their place, and a cell that spans rows or columns stands in each.</summary>
/// <param name="Caption">What stands above it.</param>
/// <param name="Rows">Its rows, a line each; the header first, if it has one.</param>
internal sealed record HtmlTable(string Caption, string Rows)
{
    private const int MostColumns = 200;
    private const int MostCells = 500_000;

    /// <summary>Reads a table.</summary>
    /// <returns>The table; null when it only arranges what it holds on the page.</returns>
    public static HtmlTable? Read(IElement table, Navigation navigation)
    {
        var rows = FindRows(table).ToArray();
        if (rows.Length == 0 || IsLayout(table, rows))
        {
            return null;
        }

        var grid = Fill(rows, navigation);
        var columns = grid.Max(row => row.Count);
        if (columns == 0 || (long)columns * grid.Count > MostCells)
        {
            return null;
        }

        var headers = rows.TakeWhile(row => row.ParentElement?.LocalName == "thead").Count();
        if (headers == 0 && Cells(rows[0]).ToArray() is { Length: > 0 } first && first.All(cell => cell.LocalName == "th") && rows.Length > 1)
        {
            headers = 1;
        }

        var text = new StringBuilder();
        if (headers > 0 && headers < grid.Count)
        {
            Append(text, Join(grid.Take(headers).ToArray(), columns), columns);
            text.Append('|').Insert(text.Length, " --- |", columns).Append('\n');
        }

        foreach (var row in headers < grid.Count ? grid.Skip(headers) : grid)
        {
            if (row.Any(cell => cell.Length > 0))
            {
                Append(text, row, columns);
            }
        }

        var caption = table.Children.FirstOrDefault(child => child.LocalName == "caption");
        return new HtmlTable(caption is null ? "" : HtmlText.Line(caption, navigation), text.ToString().TrimEnd('\n'));
    }

    // Its own rows, not those of a table in a cell; the foot at the end, wherever it is written.
    private static IEnumerable<IElement> FindRows(IElement table) => table.Children
        .OrderBy(part => part.LocalName switch { "thead" => 0, "tfoot" => 2, _ => 1 })
        .SelectMany(part => part.LocalName == "tr" ? [part] : part.LocalName is "thead" or "tbody" or "tfoot" ? part.Children.Where(row => row.LocalName == "tr") : [])
        .Where(row => !HtmlElements.IsUnseen(row));

    private static IEnumerable<IElement> Cells(IElement row) =>
        row.Children.Where(cell => cell.LocalName is "td" or "th" && !HtmlElements.IsUnseen(cell));

    private static bool IsLayout(IElement table, IElement[] rows) =>
        table.GetAttribute("role") is "presentation" or "none"
        || table.QuerySelector("table, h1, h2, h3, h4, h5, h6, main, article, section") is not null
        || rows.All(row => Cells(row).Take(2).Count() < 2)
        || (rows.Length == 1 && rows[0].QuerySelector("p, div, ul, ol, dl, pre") is not null);

    private static List<List<string>> Fill(IElement[] rows, Navigation navigation)
    {
        var grid = new List<List<string>>(rows.Length);
        var spans = new Dictionary<int, (string Text, int Rows)>();
        foreach (var row in rows)
        {
            var line = new List<string>();
            foreach (var cell in Cells(row))
            {
                TakeSpans(line, spans);
                var text = HtmlText.Line(cell, navigation).Replace("|", "\\|", StringComparison.Ordinal);
                var height = Span(cell, "rowspan", rows.Length);
                for (var (i, width) = (0, Span(cell, "colspan", MostColumns)); i < width && line.Count < MostColumns; i++)
                {
                    if (height > 1)
                    {
                        spans[line.Count] = (text, height - 1);
                    }

                    // Across columns it is said once; down rows it is said in each, because a row may be read alone.
                    line.Add(i == 0 ? text : "");
                }
            }

            TakeSpans(line, spans);
            grid.Add(line);
        }

        return grid;
    }

    private static void TakeSpans(List<string> line, Dictionary<int, (string Text, int Rows)> spans)
    {
        while (spans.Remove(line.Count, out var span))
        {
            if (span.Rows > 1)
            {
                spans[line.Count] = (span.Text, span.Rows - 1);
            }

            line.Add(span.Text);
        }
    }

    // 0 rows means to the end of the table.
    private static int Span(IElement cell, string attribute, int most) =>
        !int.TryParse(cell.GetAttribute(attribute), NumberStyles.None, CultureInfo.InvariantCulture, out var span) ? 1
        : span == 0 ? (attribute == "rowspan" ? most : 1)
        : Math.Min(span, most);

    // Headers of several rows are one line: what is written above a column, from the outside in.
    private static List<string> Join(List<string>[] rows, int columns) =>
        [.. Enumerable.Range(0, columns).Select(column => string.Join(
            ' ', rows.Select(row => column < row.Count ? row[column] : "").Where(cell => cell.Length > 0).Distinct()))];

    private static void Append(StringBuilder text, List<string> row, int columns)
    {
        text.Append('|');
        for (var column = 0; column < columns; column++)
        {
            text.Append(' ').Append(column < row.Count ? row[column] : "").Append(" |");
        }

        text.Append('\n');
    }
}
