using System.Globalization;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.Lab.Drill;
using RagPlatform.Lab.Figures;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Bench;

/// <summary>On the built-in provider: throughput end to end, freshness of edits beside a backfill, and the doctor.</summary>
internal static class IndexBenchLoad
{
    private const string Large = "large";
    private const string Small = "small";
    private const int DocumentLength = 4_500;
    private const int WarmUpChunks = 1_000;
    private const int MeasuredChunks = 10_000;

    private static readonly TimeSpan s_watch = TimeSpan.FromMilliseconds(500);

    /// <summary>Measures.</summary>
    public static async Task RunAsync(BenchContext bench, IndexBenchSize size)
    {
        var texts = new DrillTexts(bench.Random);
        var node = await bench.StartNodeAsync().ConfigureAwait(false);
        await node.Client.CreateWorkspaceAsync(new(Small), bench.CancellationToken).ConfigureAwait(false);
        await node.Client.CreateWorkspaceAsync(new(Large), bench.CancellationToken).ConfigureAwait(false);

        // What a service that runs has behind it: compiled code, open connections.
        await PutAsync(bench, node, Small, Documents(texts, "w", WarmUpChunks)).ConfigureAwait(false);
        await IndexBench.WaitAsync(bench, node.Client, Small).ConfigureAwait(false);

        // From the first byte sent to the last chunk searchable: HTTP, chunking, embedding, keyword index, vectors.
        // Both loads are written before: what follows each other without a pause is one load, and no index is built in between.
        var measured = Documents(texts, "m", Math.Min(size.Chunks, MeasuredChunks));
        var backfill = Documents(texts, "d", size.Chunks - MeasuredChunks);
        var begin = bench.Time.GetTimestamp();
        await PutAsync(bench, node, Large, measured).ConfigureAwait(false);
        var accepted = bench.Time.GetElapsedTime(begin);
        await IndexBench.WaitAsync(bench, node.Client, Large).ConfigureAwait(false);
        var elapsed = bench.Time.GetElapsedTime(begin);
        var chunks = (await node.Client.GetIndexingAsync(Large, bench.CancellationToken).ConfigureAwait(false)).Chunks;
        bench.Progress(string.Create(
            CultureInfo.InvariantCulture,
            $"{chunks} chunks of {measured.Count} documents in {elapsed.TotalSeconds:0.0} s, all accepted after {accepted.TotalSeconds:0.0} s"));
        bench.Figures.Add("index.chunks_per_s", chunks / elapsed.TotalSeconds, "1/s", Figure.AtLeast(1000));

        // The backfill that edits have to get past.
        await PutAsync(bench, node, Large, backfill).ConfigureAwait(false);
        await MeasureFreshnessAsync(bench, node, texts, size.Edits).ConfigureAwait(false);
        await IndexBench.WaitAsync(bench, node.Client, Large).ConfigureAwait(false);
        await DiagnoseAsync(bench, node).ConfigureAwait(false);
    }

    // An edit counts if the backfill still went on when it was searchable.
    private static async Task MeasureFreshnessAsync(BenchContext bench, EphemeralNode node, DrillTexts texts, int edits)
    {
        var left = long.MaxValue;
        using var end = CancellationTokenSource.CreateLinkedTokenSource(bench.CancellationToken);
        var watch = WatchAsync();
        var interval = TimeSpan.FromMinutes(1) / 1000;
        var began = bench.Time.GetTimestamp();
        var running = new List<Task<(double Milliseconds, bool Beside)>>();
        for (var i = 0; i < edits && Volatile.Read(ref left) > 0; i++)
        {
            running.Add(EditAsync($"e{i % 100:00}", IndexBench.Text(texts, 800)));
            var wait = (interval * (i + 1)) - bench.Time.GetElapsedTime(began);
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, bench.Time, bench.CancellationToken).ConfigureAwait(false);
            }
        }

        var all = await Task.WhenAll(running).ConfigureAwait(false);
        var perMinute = running.Count / bench.Time.GetElapsedTime(began).TotalMinutes;
        await end.CancelAsync().ConfigureAwait(false);
        await watch.ConfigureAwait(false);
        var beside = all.Where(edit => edit.Beside).Select(edit => edit.Milliseconds).ToArray();
        bench.Progress(string.Create(
            CultureInfo.InvariantCulture,
            $"{beside.Length} of {edits} edits were searchable while the backfill went on, {perMinute:0} a minute; {(left == long.MaxValue ? "?" : left)} of its documents were left"));
        bench.Figures.Add("index.freshness_edits", beside.Length, "", Figure.AtLeast(edits));
        if (beside.Length < edits)
        {
            bench.Progress("freshness is not proved: the backfill ended before the edits did; more --chunks or fewer --edits are needed");
        }

        if (beside.Length > 0)
        {
            bench.Progress(string.Create(
                CultureInfo.InvariantCulture,
                $"freshness p50 {Percentiles.Of(beside, 50):0} ms, p90 {Percentiles.Of(beside, 90):0} ms, p99 {Percentiles.Of(beside, 99):0} ms"));
            bench.Figures.Add("index.freshness_p95_ms", Percentiles.Of(beside, 95), "ms", Figure.AtMost(500));
        }

        async Task<(double, bool)> EditAsync(string id, string text)
        {
            var milliseconds = await bench.MeasureAsync(() => node.Client.PutDocumentAsync(
                Small, id, new(text), TimeSpan.FromSeconds(30), bench.CancellationToken)).ConfigureAwait(false);
            return (milliseconds, Volatile.Read(ref left) > 0);
        }

        async Task WatchAsync()
        {
            try
            {
                while (!end.IsCancellationRequested)
                {
                    Volatile.Write(ref left, (await node.Client.GetIndexingAsync(Large, end.Token).ConfigureAwait(false)).Queued);
                    await Task.Delay(s_watch, bench.Time, end.Token).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (!bench.CancellationToken.IsCancellationRequested)
            {
                // The last edit is searchable.
            }
        }
    }

    private static async Task DiagnoseAsync(BenchContext bench, EphemeralNode node)
    {
        await using var dataSource = StorageDataSource.Create(node.App.PostgresConnectionString);
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
            (await workspaces.FindAsync(Large, bench.CancellationToken).ConfigureAwait(false))!,
            (await workspaces.FindAsync(Small, bench.CancellationToken).ConfigureAwait(false))!);
        await using var administrator = StorageDataSource.Create(node.App.PostgresAdministrationConnectionString);
        await new FaultPlanter(administrator).PlantAsync(
            large.WorkspaceId, space, elsewhere.WorkspaceId, other, bench.CancellationToken).ConfigureAwait(false);
        var found = await doctor.CheckAsync(
            null, await spaces.ListAsync(bench.CancellationToken).ConfigureAwait(false), bench.CancellationToken).ConfigureAwait(false);
        bench.Figures.Add("index.doctor_faults_found", found.Faults.DistinctBy(f => f.Kind).Count(), "", Figure.AtLeast(10));
    }

    // About five chunks a document, as a bulk load puts them.
    private static List<BatchDocument> Documents(DrillTexts texts, string prefix, int chunks) =>
    [
        .. Enumerable.Range(0, Math.Max(0, chunks) / 5).Select(i => new BatchDocument(
            $"{prefix}{i:000000}", IndexBench.Text(texts, DocumentLength), Priority: DocumentPriority.Low)),
    ];

    private static async Task PutAsync(BenchContext bench, EphemeralNode node, string workspace, List<BatchDocument> documents)
    {
        foreach (var batch in documents.Chunk(500))
        {
            await node.Client.PutDocumentsAsync(workspace, batch, null, bench.CancellationToken).ConfigureAwait(false);
        }
    }
}
