using System.CommandLine;
using RagPlatform.Cli;

namespace RagPlatform.Lab.Figures;

/// <summary>What a run of a figure command works with.</summary>
/// <param name="Context">What every verb gets.</param>
/// <param name="Parse">The command line.</param>
/// <param name="Figures">Where the figures go.</param>
/// <param name="CancellationToken">Cancelled by Ctrl-C.</param>
internal sealed record FigureRun(CliContext Context, ParseResult Parse, FigureReport Figures, CancellationToken CancellationToken)
{
    /// <summary>Tells the person what is going on, on standard error.</summary>
    public void Progress(string message) => Context.Environment.Error.WriteLine(message);
}

/// <summary>Makes a command whose result is figures: <c>--json</c>, <c>--check</c>, and what they promise, are the same everywhere.</summary>
internal static class FigureCommand
{
    /// <summary>Makes the command.</summary>
    /// <param name="context">What every verb gets.</param>
    /// <param name="name">The command's name.</param>
    /// <param name="description">What it measures.</param>
    /// <param name="symbols">Its own options and arguments.</param>
    /// <param name="runAsync">Measures; throws <see cref="UnsoundRunException"/> when the numbers would be worth nothing.</param>
    public static Command Create(
        CliContext context, string name, string description, IEnumerable<Symbol> symbols, Func<FigureRun, Task> runAsync)
    {
        var json = new Option<bool>("--json") { Description = "Print one JSON line for each figure on standard output, and nothing else there." };
        var check = new Option<bool>("--check") { Description = "Exit with 1 when a figure falls short of its goal." };
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            if (symbol is Option option)
            {
                command.Options.Add(option);
            }
            else
            {
                command.Arguments.Add((Argument)symbol);
            }
        }

        command.Options.Add(json);
        command.Options.Add(check);
        command.SetAction(async (parse, cancellationToken) =>
        {
            var report = new FigureReport(context.Environment, parse.GetValue(json));
            try
            {
                await runAsync(new FigureRun(context, parse, report, cancellationToken));
            }
            catch (UnsoundRunException e)
            {
                report.Print();
                throw new CliException($"the run is not sound: {e.Message}.", e);
            }

            report.Print();
            return parse.GetValue(check) ? Check(context.Environment, report) : ExitCode.Success;
        });
        return command;
    }

    private static int Check(CliEnvironment environment, FigureReport report)
    {
        var fallenShort = report.Figures.Where(figure => !figure.Holds).ToArray();
        foreach (var figure in fallenShort)
        {
            var value = FormattableString.Invariant($"{figure.Value} {figure.Unit}").TrimEnd();
            environment.Error.WriteLine($"rag: {figure.Name} is {value}, the goal is {figure.Goal}.");
        }

        return fallenShort.Length == 0 ? ExitCode.Success : ExitCode.Failure;
    }
}
