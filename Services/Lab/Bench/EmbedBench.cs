using System.CommandLine;
using RagPlatform.Cli;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Bench;

/// <summary><c>rag bench embed</c>: the embedding service over real servers and a scripted provider that takes 20 ms.</summary>
internal static class EmbedBench
{
    /// <summary>How long the scripted provider takes.</summary>
    public static readonly TimeSpan Latency = TimeSpan.FromMilliseconds(20);

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var batches = new Option<int>("--batches")
        {
            Description = "Random batches over three tiers with a faulty provider; each vector of each is compared with the right one.",
            HelpName = "N",
            DefaultValueFactory = _ => 2_000,
        };
        var runs = new Option<int>("--runs") { Description = "Repetitions of each timing; the median counts.", HelpName = "N", DefaultValueFactory = _ => 5 };
        var dimensions = new Option<int>("--dimensions") { Description = "Dimensions of the vectors that are timed.", HelpName = "N", DefaultValueFactory = _ => 384 };
        var only = new Option<string[]>("--only")
        {
            Description = "Only some parts: latency (miss is one of its parts), rates, load, batches, budget, outage.",
            HelpName = "PART",
            AllowMultipleArgumentsPerToken = true,
        };
        return BenchCommand.Create(
            context,
            "embed",
            "Measure the embedding service: latency of each tier, hit rates, single-flight, budgets, and whether any vector is ever misplaced.",
            [batches, runs, dimensions, only],
            async bench =>
            {
                var parse = bench.Run.Parse;
                var parts = parse.GetValue(only) is { Length: > 0 } some ? some : ["latency", "rates", "load", "batches", "budget", "outage"];
                var node = await bench.StartNodeAsync().ConfigureAwait(false);
                if (node.App.ValkeyConnectionString is null)
                {
                    throw new UnsoundRunException("there is no Valkey, so L2 cannot be measured (eng/install-backends.sh installs one)");
                }

                var provider = await bench.StartProviderAsync(Latency, parse.GetValue(dimensions)).ConfigureAwait(false);
                var latency = new EmbedBenchLatency(bench, node, provider, Math.Max(1, parse.GetValue(runs)));
                var load = new EmbedBenchLoad(bench, node, provider);
                var right = new EmbedBenchBatches(bench, node);
                await RunAsync("latency", latency.RunAsync).ConfigureAwait(false);
                if (!parts.Contains("latency", StringComparer.OrdinalIgnoreCase))
                {
                    await RunAsync("miss", latency.RunMissAsync).ConfigureAwait(false);
                }

                await RunAsync("rates", load.MeasureRatesAsync).ConfigureAwait(false);
                await RunAsync("load", load.MeasureLoadAsync).ConfigureAwait(false);
                await RunAsync("batches", () => right.RunAsync(parse.GetValue(batches))).ConfigureAwait(false);
                await RunAsync("budget", load.MeasureBudgetAsync).ConfigureAwait(false);
                await RunAsync("outage", new EmbedBenchOutage(bench, node, provider).RunAsync).ConfigureAwait(false);

                async Task RunAsync(string part, Func<Task> measureAsync)
                {
                    if (parts.Contains(part, StringComparer.OrdinalIgnoreCase))
                    {
                        bench.Progress(part);
                        await measureAsync().ConfigureAwait(false);
                    }
                }
            });
    }

    /// <summary>Texts like passages, all different.</summary>
    public static string[] Texts(string name, int count) =>
        [.. Enumerable.Range(0, count).Select(i => $"{name} {i}: a passage of the usual kind, which says something about {i * 7919 % 104729} and a little more.")];
}
