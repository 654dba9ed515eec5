using System.CommandLine;
using RagPlatform.Cli;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Bench;

/// <summary>Makes commands that measure or drill: <c>--seed</c>, <c>--json</c> and <c>--check</c> are the same everywhere.</summary>
internal static class BenchCommand
{
    private const int DefaultSeed = 1;

    /// <summary>Makes a command.</summary>
    /// <param name="context">What every verb gets.</param>
    /// <param name="name">Its name below <c>bench</c> or <c>drill</c>.</param>
    /// <param name="description">What it measures or tries.</param>
    /// <param name="symbols">Its own options and arguments.</param>
    /// <param name="runAsync">Does it; throws <see cref="UnsoundRunException"/> when the numbers would be worth nothing.</param>
    public static Command Create(
        CliContext context, string name, string description, IEnumerable<Symbol> symbols, Func<BenchContext, Task> runAsync)
    {
        var seed = new Option<int>("--seed")
        {
            Description = "Where the randomness starts: the same seed does the same.",
            DefaultValueFactory = _ => DefaultSeed,
        };
        return FigureCommand.Create(context, name, description, [.. symbols, seed], async run =>
        {
            await using var bench = new BenchContext(run, run.Parse.GetValue(seed));
            run.Progress($"{name}, seed {bench.Seed}, on {Machine.Describe()}");
            await runAsync(bench);
        });
    }
}
