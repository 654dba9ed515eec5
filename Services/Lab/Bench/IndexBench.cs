using System.CommandLine;
using System.Text;
using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Lab.Drill;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Bench;

/// <summary><c>rag bench index</c>: how fast documents become searchable, and what an edit costs.</summary>
internal static class IndexBench
{
    // Each look counts the workspace's rows: more of them would slow down what is measured.
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_report = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    // In the order in which they run.
    private static readonly (string Name, Func<BenchContext, IndexBenchSize, Task> RunAsync)[] s_parts =
    [
        ("cost", (bench, _) => IndexBenchCost.RunAsync(bench)),
        ("load", IndexBenchLoad.RunAsync),
        ("bulk", IndexBenchBulk.RunAsync),
        ("workers", (bench, _) => IndexBenchWorkers.RunAsync(bench)),
    ];

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var chunks = new Option<int>("--chunks")
        {
            Description = "Chunks of the backfill and of the bulk load.", HelpName = "N", DefaultValueFactory = _ => 100_000,
        };
        var edits = new Option<int>("--edits")
        {
            Description = "Edits beside the backfill, 1,000 a minute.", HelpName = "N", DefaultValueFactory = _ => 300,
        };
        var parts = new Option<string[]>("--only")
        {
            Description = "Only these parts: cost (a provider of 100 ms), load (throughput, freshness, doctor), bulk (against raw COPY), workers (one and two).",
            HelpName = "PART",
            AllowMultipleArgumentsPerToken = true,
        };
        parts.AcceptOnlyFromAmong([.. s_parts.Select(part => part.Name)]);
        return BenchCommand.Create(
            context,
            "index",
            "Measure how fast documents become searchable, and what an edit costs.",
            [chunks, edits, parts],
            async bench =>
            {
                var size = new IndexBenchSize(bench.Run.Parse.GetValue(chunks), bench.Run.Parse.GetValue(edits));
                var wanted = bench.Run.Parse.GetValue(parts) is { Length: > 0 } only ? only : [.. s_parts.Select(part => part.Name)];
                foreach (var (name, runAsync) in s_parts.Where(part => wanted.Contains(part.Name)))
                {
                    bench.Progress($"part {name}");
                    await runAsync(bench, size).ConfigureAwait(false);
                    await bench.StopAsync().ConfigureAwait(false);
                }
            });
    }

    /// <summary>Waits until a workspace has nothing left to be indexed, and says now and then how far it is.</summary>
    /// <exception cref="UnsoundRunException">A document was dead-lettered, or nothing moved for three minutes.</exception>
    public static async Task WaitAsync(BenchContext bench, RagClient client, string workspace)
    {
        var (least, moved, said) = (long.MaxValue, bench.Time.GetTimestamp(), bench.Time.GetTimestamp());
        while (true)
        {
            var indexing = await client.GetIndexingAsync(workspace, bench.CancellationToken).ConfigureAwait(false);
            if (indexing.DeadLettered > 0)
            {
                throw new UnsoundRunException($"{indexing.DeadLettered} documents were dead-lettered");
            }

            var left = indexing.Queued + indexing.Retrying;
            if (left == 0)
            {
                return;
            }

            if (left < least)
            {
                (least, moved) = (left, bench.Time.GetTimestamp());
            }
            else if (bench.Time.GetElapsedTime(moved) > s_patience)
            {
                throw new UnsoundRunException($"{left} documents of workspace {workspace} are not indexed, and nothing has moved for {s_patience.TotalMinutes} minutes");
            }

            if (bench.Time.GetElapsedTime(said) > s_report)
            {
                said = bench.Time.GetTimestamp();
                bench.Progress($"{workspace}: {indexing.Chunks} chunks, {left} documents left");
            }

            await Task.Delay(s_poll, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>A text of at least <paramref name="length"/> characters, in paragraphs of five sentences.</summary>
    public static string Text(DrillTexts texts, int length)
    {
        var text = new StringBuilder();
        while (text.Length < length)
        {
            for (var i = 0; i < 5; i++)
            {
                text.Append(texts.Sentence()).Append(' ');
            }

            text.Append("\n\n");
        }

        return text.ToString();
    }
}

/// <summary>How much a run works with.</summary>
/// <param name="Chunks">Chunks of the backfill and of the bulk load.</param>
/// <param name="Edits">Edits beside the backfill.</param>
internal sealed record IndexBenchSize(int Chunks, int Edits);
