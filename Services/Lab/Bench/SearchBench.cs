using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Lab.Figures;
using RagPlatform.SearchApi.Search;
using RagPlatform.SingleNode;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Bench;

/// <summary><c>rag bench search</c>: recall, completeness, latency of each layer, and the result cache, on made-up documents.</summary>
internal static class SearchBench
{
    private const int BatchSize = 500;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var chunks = new Option<int>("--chunks") { Description = "Passages in all.", HelpName = "N", DefaultValueFactory = _ => 100_000 };
        var queries = new Option<int>("--queries") { Description = "Queries of each measurement.", HelpName = "N", DefaultValueFactory = _ => 200 };
        var data = new Option<string?>("--data")
        {
            Description = "Where the documents are kept: the next run with this folder begins with measuring. Else all is gone at the end.", HelpName = "FOLDER",
        };
        var rate = new Option<double>("--rate") { Description = "Requests a second of the open loop.", HelpName = "N", DefaultValueFactory = _ => 20 };
        return BenchCommand.Create(
            context,
            "search",
            "Measure search: recall at each selectivity, completeness, latency of each layer, and the result cache.",
            [chunks, queries, rate, data],
            async bench =>
            {
                var corpus = new SearchBenchCorpus(bench.Seed, bench.Run.Parse.GetValue(chunks));
                var options = new SingleNodeOptions
                {
                    DataFolder = bench.Run.Parse.GetValue(data) is { } folder ? Path.GetFullPath(folder) : null,
                    LogLevel = LogLevel.Error,
                    Settings = new Dictionary<string, string?> { ["Search:PromotionInterval"] = "00:00:02" },
                };
                var node = await bench.StartNodeAsync(options).ConfigureAwait(false);
                await LoadAsync(bench, node, corpus).ConfigureAwait(false);
                var measurement = new SearchBenchRun(bench, node, corpus, bench.Run.Parse.GetValue(queries), bench.Run.Parse.GetValue(rate));
                await measurement.RunAsync().ConfigureAwait(false);
            });
    }

    private static async Task LoadAsync(BenchContext bench, EphemeralNode node, SearchBenchCorpus corpus)
    {
        var services = node.App.SearchApi.Services;
        bench.Progress("PostgreSQL " + await new RawVectorProbe(services.GetRequiredService<NpgsqlDataSource>()).GetVersionAsync(bench.CancellationToken).ConfigureAwait(false));
        var began = bench.Time.GetTimestamp();
        var there = await node.Client.ListWorkspacesAsync(cancellationToken: bench.CancellationToken).ConfigureAwait(false);
        foreach (var workspace in corpus.Workspaces)
        {
            var isThere = there.Items.Any(w => w.Name == workspace);
            if (isThere
                && (await node.Client.GetIndexingAsync(workspace, bench.CancellationToken).ConfigureAwait(false)).Documents == corpus.CountOf(workspace))
            {
                continue;
            }

            if (!isThere)
            {
                await node.Client.CreateWorkspaceAsync(new(workspace), bench.CancellationToken).ConfigureAwait(false);
            }

            foreach (var batch in corpus.Documents(workspace).Chunk(BatchSize))
            {
                await node.Client.PutDocumentsAsync(workspace, batch, null, bench.CancellationToken).ConfigureAwait(false);
            }
        }

        foreach (var workspace in corpus.Workspaces)
        {
            while (await node.Client.GetIndexingAsync(workspace, bench.CancellationToken).ConfigureAwait(false) is { } status
                && status.Queued + status.Retrying > 0)
            {
                bench.Progress(FormattableString.Invariant(
                    $"{workspace}: {status.Queued} to be indexed, {bench.Time.GetElapsedTime(began).TotalSeconds:0} s"));
                await Task.Delay(TimeSpan.FromSeconds(5), bench.Time, bench.CancellationToken).ConfigureAwait(false);
            }
        }

        bench.Progress(FormattableString.Invariant($"indexed in {bench.Time.GetElapsedTime(began).TotalSeconds:0} s; waiting for the HNSW indexes"));
        var own = corpus.CountOf(SearchBenchCorpus.Large) >= services.GetRequiredService<IOptions<SearchOptions>>().Value.PartialIndexChunks;
        await WaitForIndexAsync(bench, node, own ? "hnsw-workspace" : "hnsw").ConfigureAwait(false);
        await new RawVectorProbe(services.GetRequiredService<NpgsqlDataSource>()).VacuumAsync(bench.CancellationToken).ConfigureAwait(false);
    }

    // They are built by themselves, that of the space and then the workspace's own; a plan says what there is.
    private static async Task WaitForIndexAsync(BenchContext bench, EphemeralNode node, string plan)
    {
        for (var i = 0; i < 300; i++)
        {
            var answer = await node.Client.SearchAsync(
                SearchBenchCorpus.Large, new("warm", SearchMode.Vector, Explain: true), bench.CancellationToken).ConfigureAwait(false);
            if (answer.Explanation!.Alternatives.Any(a => a.Plan == plan))
            {
                return;
            }

            await Task.Delay(TimeSpan.FromSeconds(2), bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }

        throw new UnsoundRunException("the HNSW index was not built within ten minutes");
    }
}
