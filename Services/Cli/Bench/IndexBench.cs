using System.CommandLine;
using System.Text.Json;
using Npgsql;
using RagPlatform.Cli.Drill;
using RagPlatform.Cli.Figures;
using RagPlatform.Contracts;
using RagPlatform.SingleNode;
using RagPlatform.Storage;

namespace RagPlatform.Cli.Bench;

/// <summary><c>rag bench index</c>: how fast documents become searchable, and what an edit costs.</summary>
internal static class IndexBench
{
    private const int DocumentLength = 4_500;

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var chunks = new Option<int>("--chunks") { Description = "Chunks of the large workspace.", DefaultValueFactory = _ => 100_000 };
        var edits = new Option<int>("--edits") { Description = "Edits beside the backfill, 1,000 a minute.", DefaultValueFactory = _ => 500 };
        return BenchCommand.Create(
            context,
            "index",
            "Measure how fast documents become searchable, and what an edit costs.",
            [chunks, edits],
            async bench =>
            {
                await MeasureWithProviderAsync(bench).ConfigureAwait(false);
                await MeasureBuiltInAsync(bench, bench.Run.Parse.GetValue(chunks), bench.Run.Parse.GetValue(edits)).ConfigureAwait(false);
            });
    }

    // A provider that takes 100 ms a call, and counts.
    private static async Task MeasureWithProviderAsync(BenchContext bench)
    {
        var texts = new DrillTexts(bench.Random);
        var provider = await bench.StartProviderAsync(TimeSpan.FromMilliseconds(100)).ConfigureAwait(false);
        var node = await bench.StartNodeAsync(new SingleNodeOptions { Settings = BenchContext.SettingsFor(provider) }).ConfigureAwait(false);
        await node.Client.CreateWorkspaceAsync(new("bench"), bench.CancellationToken).ConfigureAwait(false);
        var documents = Enumerable.Range(0, 1000).Select(i => new BatchDocument($"d{i:0000}", Text(texts, 800))).ToList();
        var milliseconds = await bench.MeasureAsync(async () =>
        {
            await node.Client.PutDocumentsAsync("bench", documents, null, bench.CancellationToken).ConfigureAwait(false);
            await WaitAsync(bench, node, "bench").ConfigureAwait(false);
        }).ConfigureAwait(false);
        bench.Figures.Add("index.docs1000_s", milliseconds / 1000, "s", Figure.AtMost(30));

        // 500 chunks.
        var text = Text(texts, 450_000);
        async Task<int> CostAsync(DocumentPut document)
        {
            var before = provider.TextCount;
            await node.Client.PutDocumentAsync("bench", "large", document, null, bench.CancellationToken).ConfigureAwait(false);
            await WaitAsync(bench, node, "bench").ConfigureAwait(false);
            return provider.TextCount - before;
        }

        var all = await CostAsync(new(text)).ConfigureAwait(false);
        bench.Progress($"the large document has {all} chunks");
        var same = await CostAsync(new(text)).ConfigureAwait(false);
        same += await CostAsync(new(text, "A title", JsonSerializer.SerializeToElement(new { kind = "bench" }))).ConfigureAwait(false);
        var middle = text.IndexOf(". ", text.Length / 2, StringComparison.Ordinal) + 2;
        var next = text.IndexOf('.', middle);
        text = text[..middle] + texts.Sentence().TrimEnd('.') + text[next..];
        bench.Figures.Add("index.edit_embeddings", await CostAsync(new(text)).ConfigureAwait(false), "", Figure.AtMost(3));
        var inserted = texts.Sentence() + " " + texts.Sentence() + " " + texts.Sentence() + "\n\n" + text;
        bench.Figures.Add("index.insert_top_embeddings", await CostAsync(new(inserted)).ConfigureAwait(false), "", Figure.AtMost(3));
        bench.Figures.Add("index.same_text_embeddings", same, "", "==0");
    }

    private static async Task MeasureBuiltInAsync(BenchContext bench, int chunks, int edits)
    {
        var texts = new DrillTexts(bench.Random);
        var node = await bench.StartNodeAsync().ConfigureAwait(false);
        await node.Client.CreateWorkspaceAsync(new("small"), bench.CancellationToken).ConfigureAwait(false);
        await node.Client.CreateWorkspaceAsync(new("large"), bench.CancellationToken).ConfigureAwait(false);
        await node.Client.PutDocumentAsync("small", "warm", new("Warm up."), TimeSpan.FromSeconds(30), bench.CancellationToken).ConfigureAwait(false);

        // From the first byte sent to the last chunk searchable.
        var begin = bench.Time.GetTimestamp();
        var measured = Math.Min(chunks, 10_000);
        await PutAsync(bench, node, texts, "large", 0, measured).ConfigureAwait(false);
        await WaitAsync(bench, node, "large").ConfigureAwait(false);
        var loaded = (await node.Client.GetIndexingAsync("large", bench.CancellationToken).ConfigureAwait(false)).Chunks;
        bench.Figures.Add("index.chunks_per_s", loaded / bench.Time.GetElapsedTime(begin).TotalSeconds, "1/s", Figure.AtLeast(1000));

        // The rest is the backfill that edits have to get past.
        await PutAsync(bench, node, texts, "large", measured, chunks - measured).ConfigureAwait(false);
        bench.Figures.Add("index.freshness_p95_ms", await FreshnessAsync(bench, node, texts, edits).ConfigureAwait(false), "ms", Figure.AtMost(500));
        await WaitAsync(bench, node, "large").ConfigureAwait(false);
        await DiagnoseAsync(bench, node).ConfigureAwait(false);
    }

    private static async Task<double> FreshnessAsync(BenchContext bench, EphemeralNode node, DrillTexts texts, int edits)
    {
        var interval = TimeSpan.FromMinutes(1) / 1000;
        var running = new List<Task<double>>();
        for (var i = 0; i < edits; i++)
        {
            var (id, text) = ($"e{i % 100:00}", Text(texts, 800));
            running.Add(bench.MeasureAsync(() => node.Client.PutDocumentAsync(
                "small", id, new(text), TimeSpan.FromSeconds(30), bench.CancellationToken)));
            await Task.Delay(interval, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }

        var left = (await node.Client.GetIndexingAsync("large", bench.CancellationToken).ConfigureAwait(false)).Queued;
        bench.Progress($"{left} documents of the backfill were left when the last edit was made");
        return Percentiles.Of(await Task.WhenAll(running).ConfigureAwait(false), 95);
    }

    private static async Task DiagnoseAsync(BenchContext bench, EphemeralNode node)
    {
        await using var dataSource = NpgsqlDataSource.Create(node.App.PostgresConnectionString);
        var (spaces, workspaces, doctor) = (new SpaceStore(dataSource), new WorkspaceStore(dataSource), new DoctorStore(dataSource));
        var all = await spaces.ListAsync(bench.CancellationToken).ConfigureAwait(false);
        IndexDiagnosis? diagnosis = null;
        var milliseconds = await bench.MeasureAsync(async () =>
            diagnosis = await doctor.CheckAsync(null, all, bench.CancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
        if (diagnosis!.Faults.Count > 0)
        {
            throw new UnsoundRunException($"the index has {diagnosis.Faults.Count} faults before any was planted, the first: {diagnosis.Faults[0]}");
        }

        bench.Progress($"the doctor checked {diagnosis.Chunks} chunks");
        bench.Figures.Add("index.doctor_100k_s", milliseconds / 1000, "s", Figure.AtMost(10));

        var space = all[0];
        var other = await spaces.EnsureAsync(space with { Id = "bench_other", Model = "other" }, bench.CancellationToken).ConfigureAwait(false);
        var (large, elsewhere) = (
            (await workspaces.FindAsync("large", bench.CancellationToken).ConfigureAwait(false))!,
            (await workspaces.FindAsync("small", bench.CancellationToken).ConfigureAwait(false))!);
        await new FaultPlanter(dataSource).PlantAsync(
            large.WorkspaceId, space, elsewhere.WorkspaceId, other, bench.CancellationToken).ConfigureAwait(false);
        var found = await doctor.CheckAsync(
            null, await spaces.ListAsync(bench.CancellationToken).ConfigureAwait(false), bench.CancellationToken).ConfigureAwait(false);
        bench.Figures.Add("index.doctor_faults_found", found.Faults.DistinctBy(f => f.Kind).Count(), "", Figure.AtLeast(10));
    }

    private static async Task PutAsync(BenchContext bench, EphemeralNode node, DrillTexts texts, string workspace, int from, int chunks)
    {
        // About five chunks a document.
        var documents = Enumerable.Range(from / 5, chunks / 5).Select(i => new BatchDocument(
            $"d{i:000000}", Text(texts, DocumentLength), Priority: DocumentPriority.Low));
        foreach (var batch in documents.Chunk(500))
        {
            await node.Client.PutDocumentsAsync(workspace, batch, null, bench.CancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task WaitAsync(BenchContext bench, EphemeralNode node, string workspace)
    {
        while (true)
        {
            var indexing = await node.Client.GetIndexingAsync(workspace, bench.CancellationToken).ConfigureAwait(false);
            if (indexing.DeadLettered > 0)
            {
                throw new UnsoundRunException($"{indexing.DeadLettered} documents were dead-lettered");
            }

            if (indexing.Queued + indexing.Retrying == 0)
            {
                return;
            }

            await Task.Delay(s_poll, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }
    }

    private static string Text(DrillTexts texts, int length)
    {
        var text = new System.Text.StringBuilder();
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
