using System.Globalization;
using RagPlatform.Contracts;
using RagPlatform.Lab.Drill;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Lab.Bench;

/// <summary>
/// One worker process, then two, on the same database. Their provider takes a second a call, so that it is the provider that a worker waits for, and not
/// the processors.
/// </summary>
internal static class IndexBenchWorkers
{
    private const string Workspace = "bench";
    private const int Documents = 2_000;
    private const int Calls = 2;

    private static readonly TimeSpan s_latency = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    /// <summary>Measures.</summary>
    public static async Task RunAsync(BenchContext bench)
    {
        var provider = await bench.StartProviderAsync(s_latency).ConfigureAwait(false);
        var settings = BenchContext.SettingsFor(provider);
        settings["Indexing:Enabled"] = "false";
        settings["Embedding:Canary:Enabled"] = "false";
        var node = await bench.StartNodeAsync(new SingleNodeOptions { Settings = settings }).ConfigureAwait(false);
        await node.Client.CreateWorkspaceAsync(new(Workspace), bench.CancellationToken).ConfigureAwait(false);

        var texts = new DrillTexts(bench.Random);
        await using var first = await StartAsync(bench, node, provider).ConfigureAwait(false);
        await LoadAsync(bench, node, texts, "warm", 200).ConfigureAwait(false);
        var before = provider.TextCount;
        var one = await LoadAsync(bench, node, texts, "one", Documents).ConfigureAwait(false);
        await using var second = await StartAsync(bench, node, provider).ConfigureAwait(false);
        await LoadAsync(bench, node, texts, "warmer", 400).ConfigureAwait(false);
        var two = await LoadAsync(bench, node, texts, "two", Documents).ConfigureAwait(false);
        bench.Progress(string.Create(
            CultureInfo.InvariantCulture, $"{Documents} documents: one worker {one.Seconds:0.0} s, two workers {two.Seconds:0.0} s"));
        bench.Figures.Add("index.two_workers_speedup", one.Seconds / two.Seconds, "", Figure.AtLeast(1.5));

        // A text for each chunk, and no more: what is worked on twice is embedded twice.
        bench.Figures.Add("index.two_workers_twice", provider.TextCount - before - (two.Chunks - one.ChunksBefore), "", "==0");
    }

    private static async Task<(double Seconds, long ChunksBefore, long Chunks)> LoadAsync(
        BenchContext bench, EphemeralNode node, DrillTexts texts, string prefix, int count)
    {
        var before = (await node.Client.GetIndexingAsync(Workspace, bench.CancellationToken).ConfigureAwait(false)).Chunks;
        var documents = Enumerable.Range(0, count).Select(i => new BatchDocument($"{prefix}{i:0000}", IndexBench.Text(texts, 800))).ToList();
        var milliseconds = await bench.MeasureAsync(async () =>
        {
            foreach (var batch in documents.Chunk(DocumentLimits.MaxBatch))
            {
                await node.Client.PutDocumentsAsync(Workspace, batch, null, bench.CancellationToken).ConfigureAwait(false);
            }

            await IndexBench.WaitAsync(bench, node.Client, Workspace).ConfigureAwait(false);
        }).ConfigureAwait(false);
        var after = (await node.Client.GetIndexingAsync(Workspace, bench.CancellationToken).ConfigureAwait(false)).Chunks;
        return (milliseconds / 1000, before, after);
    }

    private static async Task<DrillProcess> StartAsync(BenchContext bench, EphemeralNode node, ScriptedEmbeddingServer provider)
    {
        var variables = new Dictionary<string, string>
        {
            ["ConnectionStrings__ragdb"] = node.App.PostgresConnectionString,
            ["services__embedding-service__http__0"] = new Uri(provider.Address, "/").ToString(),
            ["Auth__AdminKey"] = node.Address.Key,
            ["Indexing__EmbeddingsInFlight"] = Calls.ToString(CultureInfo.InvariantCulture),
            ["Indexing__DoctorInterval"] = "00:00:00",
        };
        var worker = new DrillProcess(variables, _ => Task.FromResult(true));
        worker.Start();
        var begin = bench.Time.GetTimestamp();
        while (!worker.IsReady)
        {
            if (bench.Time.GetElapsedTime(begin) > s_patience)
            {
                await worker.DisposeAsync().ConfigureAwait(false);
                throw new UnsoundRunException("a worker process does not start");
            }

            await Task.Delay(s_poll, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }

        return worker;
    }
}
