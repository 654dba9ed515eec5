using System.Globalization;
using RagPlatform.Cli;
using Spectre.Console;

namespace RagPlatform.Lab.Figures;

/// <summary>Collects the figures of a run. With JSON each is printed as it comes, else all as a table at the end.</summary>
/// <param name="environment">Where to print.</param>
/// <param name="json">Whether figure lines are wanted.</param>
internal sealed class FigureReport(CliEnvironment environment, bool json)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Figure> _figures = new(StringComparer.Ordinal);
    private readonly List<string> _order = [];

    /// <summary>The figures so far, in the order in which they came.</summary>
    public IReadOnlyList<Figure> Figures
    {
        get
        {
            lock (_lock)
            {
                return [.. _order.Select(name => _figures[name])];
            }
        }
    }

    /// <summary>Adds a figure. See <see cref="Figure"/> for the parameters.</summary>
    /// <exception cref="UnsoundRunException">The value is no finite number.</exception>
    /// <exception cref="ArgumentException">There is a figure of that name already.</exception>
    public Figure Add(string name, double value, string unit = "", string goal = "")
    {
        var figure = new Figure(name, value, unit, goal);
        lock (_lock)
        {
            _figures.Add(name, figure);
            _order.Add(name);
            if (json)
            {
                environment.Output.WriteLine(figure.ToJson());
                environment.Output.Flush();
            }
        }

        return figure;
    }

    /// <summary>Prints the table, unless figure lines were printed.</summary>
    public void Print()
    {
        var figures = Figures;
        if (json || figures.Count == 0)
        {
            return;
        }

        var table = new Table().Border(TableBorder.Simple)
            .AddColumn("figure")
            .AddColumn(new TableColumn("value").RightAligned())
            .AddColumn("unit")
            .AddColumn("goal")
            .AddColumn("holds");
        foreach (var figure in figures)
        {
            table.AddRow(
                Markup.Escape(figure.Name),
                figure.Value.ToString("0.####", CultureInfo.InvariantCulture),
                Markup.Escape(figure.Unit),
                Markup.Escape(figure.Goal),
                (figure.Goal, figure.Holds) switch { ("", _) => "", (_, true) => "[green]yes[/]", _ => "[red]no[/]" });
        }

        environment.OutputConsole().Write(table);
    }
}
