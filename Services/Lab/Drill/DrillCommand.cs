using System.CommandLine;
using Microsoft.Extensions.Logging;
using Npgsql;
using RagPlatform.Cli;
using RagPlatform.Lab.Bench;
using RagPlatform.Lab.Drill.Fuzz;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Drill;

/// <summary><c>rag drill</c>: lets things die or collide, and looks whether anything was lost or mixed up.</summary>
internal static class DrillCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context) => new("drill", LabVerbs.Drill)
    {
        CreateIndexing(context),
        SearchDrill.Create(context),
        NeighboursDrill.Create(context),
        FuzzDrill.Create(context),
        DrillWorker.Create(context),
    };

    private static Command CreateIndexing(CliContext context)
    {
        var seed = new Option<int>("--seed") { Description = "The first seed: the same one does the same things.", DefaultValueFactory = _ => 1 };
        var seeds = new Option<int>("--seeds") { Description = "Seeds in a row.", DefaultValueFactory = _ => 1 };
        var steps = new Option<int>("--steps") { Description = "Operations of each run.", DefaultValueFactory = _ => 60 };
        return FigureCommand.Create(
            context,
            "indexing",
            "Random puts, edits, deletions, reindexings, pauses and replays, with kill -9 of workers, PostgreSQL and Valkey.",
            [seed, seeds, steps],
            run => RunAsync(run, run.Parse.GetValue(seed), run.Parse.GetValue(seeds), run.Parse.GetValue(steps)));
    }

    private static async Task RunAsync(FigureRun run, int seed, int seeds, int steps)
    {
        await using var provider = await ScriptedEmbeddingServer.StartAsync(IndexingDrill.Dimensions, run.CancellationToken).ConfigureAwait(false);
        provider.FailingMarker = DrillTexts.Marker;
        provider.Script = static _ => new ScriptedAnswer(Latency: TimeSpan.FromMilliseconds(10));

        // The node's own worker stands aside: those that are killed are processes of their own.
        var options = new SingleNodeOptions
        {
            Durable = false,
            LogLevel = LogLevel.Error,
            Settings = new Dictionary<string, string?> { ["Indexing:Enabled"] = "false" },
        };
        await using var node = await EphemeralNode.StartAsync(run, options).ConfigureAwait(false);
        await using var dataSource = StorageDataSource.Create(node.App.PostgresConnectionString + ";Command Timeout=20");
        var (failures, kills, lost, duplicates, orphans) = (0, 0, 0, 0, 0);
        for (var s = seed; s < seed + seeds; s++)
        {
            DrillResult result;
            await using (var drill = new IndexingDrill(run, node, dataSource, s))
            {
                result = await drill.RunAsync(provider, steps).ConfigureAwait(false);
            }

            run.Progress(FormattableString.Invariant(
                $"seed {s}: {result.Kills} kills, {result.Lost} lost, {result.Duplicates} duplicates, {result.Orphans} orphans"));
            if (!result.Passed)
            {
                failures++;
                run.Progress($"replay with: rag drill indexing --seed {s} --steps {steps}");
                foreach (var line in result.Trace)
                {
                    run.Progress(line);
                }
            }

            (kills, lost) = (kills + result.Kills, lost + result.Lost);
            (duplicates, orphans) = (duplicates + result.Duplicates, orphans + result.Orphans);
        }

        run.Figures.Add("drill.indexing.seeds", seeds);
        run.Figures.Add("drill.indexing.failures", failures, "", "==0");
        run.Figures.Add("drill.indexing.kills", kills, "", Figure.AtLeast(seeds));
        run.Figures.Add("drill.indexing.lost", lost, "", "==0");
        run.Figures.Add("drill.indexing.duplicates", duplicates, "", "==0");
        run.Figures.Add("drill.indexing.orphans", orphans, "", "==0");
    }
}
