using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.Lab.Drill;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode;

namespace RagPlatform.Lab.Bench;

/// <summary>With a provider that takes 100 ms a call and counts: 1,000 documents, and how many embeddings an edit costs.</summary>
internal static class IndexBenchCost
{
    private const int Documents = 1000;

    /// <summary>Measures.</summary>
    public static async Task RunAsync(BenchContext bench)
    {
        var texts = new DrillTexts(bench.Random);
        var provider = await bench.StartProviderAsync(TimeSpan.FromMilliseconds(100)).ConfigureAwait(false);
        var node = await bench.StartNodeAsync(new SingleNodeOptions { Settings = BenchContext.SettingsFor(provider) }).ConfigureAwait(false);
        await node.Client.CreateWorkspaceAsync(new("bench"), bench.CancellationToken).ConfigureAwait(false);
        var documents = Enumerable.Range(0, Documents).Select(i => new BatchDocument($"d{i:0000}", IndexBench.Text(texts, 800))).ToList();
        var before = provider.TextCount;
        var milliseconds = await bench.MeasureAsync(async () =>
        {
            await node.Client.PutDocumentsAsync("bench", documents, null, bench.CancellationToken).ConfigureAwait(false);
            await IndexBench.WaitAsync(bench, node.Client, "bench").ConfigureAwait(false);
        }).ConfigureAwait(false);
        if (provider.TextCount - before < Documents)
        {
            throw new UnsoundRunException($"the provider saw {provider.TextCount - before} texts of {Documents} documents");
        }

        bench.Figures.Add("index.docs1000_s", milliseconds / 1000, "s", Figure.AtMost(30));

        // 500 chunks.
        var text = IndexBench.Text(texts, 450_000);
        async Task<int> CostAsync(DocumentPut document)
        {
            var before = provider.TextCount;
            await node.Client.PutDocumentAsync("bench", "large", document, null, bench.CancellationToken).ConfigureAwait(false);
            await IndexBench.WaitAsync(bench, node.Client, "bench").ConfigureAwait(false);
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
}
