using System.CommandLine;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.Cli.Figures;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.Cli.Bench;

/// <summary><c>rag bench search</c>: recall, completeness, latency of each layer, and the result cache, on made-up documents.</summary>
internal static class SearchBench
{
    private const int BatchSize = 500;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var chunks = new Option<int>("--chunks") { Description = "Passages in all.", HelpName = "N", DefaultValueFactory = _ => 100_000 };
        var queries = new Option<int>("--queries") { Description = "Queries of each measurement.", HelpName = "N", DefaultValueFactory = _ => 200 };
        var rate = new Option<double>("--rate") { Description = "Requests a second of the open loop.", HelpName = "N", DefaultValueFactory = _ => 20 };
        return BenchCommand.Create(
            context,
            "search",
            "Measure search: recall at each selectivity, completeness, latency of each layer, and the result cache.",
            [chunks, queries, rate],
            async bench =>
            {
                var corpus = new SearchBenchCorpus(bench.Seed, bench.Run.Parse.GetValue(chunks));
                var node = await bench.StartNodeAsync().ConfigureAwait(false);
                await LoadAsync(bench, node, corpus).ConfigureAwait(false);
                var measurement = new SearchBenchRun(bench, node, corpus, bench.Run.Parse.GetValue(queries), bench.Run.Parse.GetValue(rate));
                await measurement.RunAsync().ConfigureAwait(false);
            });
    }

    private static async Task LoadAsync(BenchContext bench, EphemeralNode node, SearchBenchCorpus corpus)
    {
        var services = node.App.SearchApi.Services;
        bench.Progress("PostgreSQL " + await services.GetRequiredService<RawVectorProbe>().GetVersionAsync(bench.CancellationToken).ConfigureAwait(false));
        var began = bench.Time.GetTimestamp();
        foreach (var workspace in corpus.Workspaces)
        {
            await node.Client.CreateWorkspaceAsync(new(workspace), bench.CancellationToken).ConfigureAwait(false);
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

        bench.Progress(FormattableString.Invariant($"indexed in {bench.Time.GetElapsedTime(began).TotalSeconds:0} s; waiting for the HNSW index"));
        await WaitForIndexAsync(bench, node).ConfigureAwait(false);
    }

    // The worker builds it by itself; a plan says when there is one.
    private static async Task WaitForIndexAsync(BenchContext bench, EphemeralNode node)
    {
        for (var i = 0; i < 300; i++)
        {
            var answer = await node.Client.SearchAsync(
                SearchBenchCorpus.Large, new("warm", SearchMode.Vector, Explain: true), bench.CancellationToken).ConfigureAwait(false);
            if (answer.Explanation!.Alternatives.Any(a => a.Plan == "hnsw"))
            {
                return;
            }

            await Task.Delay(TimeSpan.FromSeconds(2), bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }

        throw new UnsoundRunException("the HNSW index was not built within ten minutes");
    }
}
