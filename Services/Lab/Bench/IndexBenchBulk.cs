using System.Globalization;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.Lab.Drill;
using RagPlatform.Lab.Figures;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Bench;

/// <summary>
/// A bulk load that brings its own vectors, against the least that PostgreSQL can do with the same vectors: COPY into a bare table, then CREATE INDEX.
/// Ours is all that <c>rag import</c> and the worker do, without any provider: JSON over HTTP, prepared chunks, keyword index, queue, vectors, until
/// PostgreSQL uses the HNSW index.
/// </summary>
internal static class IndexBenchBulk
{
    private const string Workspace = "bulk";
    private const int ChunksPerDocument = 20;
    private const int DocumentsPerBatch = 50;
    private const int ChunkLength = 400;

    // Vectors of texts come in clusters; without any, HNSW has nothing to go by.
    private const int Clusters = 500;

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_report = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(15);

    /// <summary>Measures.</summary>
    public static async Task RunAsync(BenchContext bench, IndexBenchSize size)
    {
        var node = await bench.StartNodeAsync().ConfigureAwait(false);
        await node.Client.CreateWorkspaceAsync(new(Workspace), bench.CancellationToken).ConfigureAwait(false);
        await using var dataSource = StorageDataSource.Create(node.App.PostgresConnectionString);
        var space = (await new SpaceStore(dataSource).ListAsync(bench.CancellationToken).ConfigureAwait(false))[0];
        var indexes = new VectorIndexStore(dataSource);
        var vectors = Vectors(bench.Random, size.Chunks, space.Dimensions);
        var documents = Documents(new DrillTexts(bench.Random), vectors);

        // First, as long as nothing else goes on here.
        var raw = await new BulkLoadProbe(dataSource).MeasureAsync(space, vectors, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        var rawTotal = raw.Copy + raw.Index;
        bench.Progress(Line($"raw: {vectors.Length} vectors of {space.Dimensions}: COPY {raw.Copy.TotalSeconds:0.0} s, CREATE INDEX {raw.Index.TotalSeconds:0.0} s"));

        var begin = bench.Time.GetTimestamp();
        foreach (var batch in documents.Chunk(DocumentsPerBatch))
        {
            await node.Client.PutDocumentsAsync(Workspace, batch, null, bench.CancellationToken).ConfigureAwait(false);
        }

        var accepted = bench.Time.GetElapsedTime(begin);
        bench.Progress(Line($"ours: all accepted after {accepted.TotalSeconds:0.0} s"));
        await IndexBench.WaitAsync(bench, node.Client, Workspace).ConfigureAwait(false);
        var loaded = bench.Time.GetElapsedTime(begin);
        bench.Progress(Line($"ours: all searchable after {loaded.TotalSeconds:0.0} s"));
        await WaitForIndexAsync(bench, indexes, space).ConfigureAwait(false);
        var total = bench.Time.GetElapsedTime(begin);
        bench.Progress(Line($"ours: load {loaded.TotalSeconds:0.0} s, then index {(total - loaded).TotalSeconds:0.0} s"));

        var chunks = (await node.Client.GetIndexingAsync(Workspace, bench.CancellationToken).ConfigureAwait(false)).Chunks;
        if (chunks != vectors.Length)
        {
            throw new UnsoundRunException($"{chunks} chunks are there instead of {vectors.Length}");
        }

        bench.Figures.Add("index.bulk_raw_s", rawTotal.TotalSeconds, "s");
        bench.Figures.Add("index.bulk_load_s", loaded.TotalSeconds, "s");
        bench.Figures.Add("index.bulk_index_s", (total - loaded).TotalSeconds, "s");
        bench.Figures.Add("index.bulk_ratio", total / rawTotal, "", Figure.AtMost(2));
    }

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static async Task WaitForIndexAsync(BenchContext bench, VectorIndexStore indexes, SpaceRow space)
    {
        var (begin, said) = (bench.Time.GetTimestamp(), bench.Time.GetTimestamp());
        while (!await indexes.IsValidAsync(space, bench.CancellationToken).ConfigureAwait(false))
        {
            if (bench.Time.GetElapsedTime(begin) > s_patience)
            {
                throw new UnsoundRunException($"there is no index after {s_patience.TotalMinutes} minutes");
            }

            if (bench.Time.GetElapsedTime(said) > s_report)
            {
                said = bench.Time.GetTimestamp();
                bench.Progress(Line($"waiting for the index, {bench.Time.GetElapsedTime(begin).TotalSeconds:0} s"));
            }

            await Task.Delay(s_poll, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }
    }

    private static float[][] Vectors(Random random, int count, int dimensions)
    {
        var centres = new float[Clusters][];
        for (var i = 0; i < Clusters; i++)
        {
            centres[i] = Unit(random, dimensions, null);
        }

        var vectors = new float[count][];
        for (var i = 0; i < count; i++)
        {
            vectors[i] = Unit(random, dimensions, centres[random.Next(Clusters)]);
        }

        return vectors;
    }

    // Of unit length: half of it a centre, half of it chance.
    private static float[] Unit(Random random, int dimensions, float[]? centre)
    {
        var vector = new float[dimensions];
        var scale = MathF.Sqrt(3f / dimensions);
        var norm = 0d;
        for (var i = 0; i < dimensions; i++)
        {
            vector[i] = (((2 * random.NextSingle()) - 1) * scale) + (centre?[i] ?? 0);
            norm += vector[i] * vector[i];
        }

        var length = (float)Math.Sqrt(norm);
        for (var i = 0; i < dimensions; i++)
        {
            vector[i] /= length;
        }

        return vector;
    }

    private static List<BatchDocument> Documents(DrillTexts texts, float[][] vectors) =>
    [
        .. vectors.Chunk(ChunksPerDocument).Select((chunks, i) => new BatchDocument(
            $"d{i:000000}",
            Priority: DocumentPriority.Low,
            Chunks: [.. chunks.Select(vector => new PreparedChunk(IndexBench.Text(texts, ChunkLength), vector))])),
    ];
}
