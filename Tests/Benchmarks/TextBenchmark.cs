using BenchmarkDotNet.Attributes;
using RagPlatform.EmbeddingService.Providers.Hashing;
using RagPlatform.IndexingWorker.Chunking;
using RagPlatform.Storage;

namespace RagPlatform.Benchmarks;

/// <summary>What does a text cost before anything is sent: cutting it into passages, and embedding one with the built-in model?</summary>
[MemoryDiagnoser]
public class TextBenchmark
{
    private readonly float[] _vector = new float[384];
    private readonly Chunker _chunker = new(new ChunkingRow("markdown", 1200, 200));
    private string _document = "";
    private string _passage = "";

    /// <summary>Makes a document of about 60,000 characters.</summary>
    [GlobalSetup]
    public void Setup()
    {
        var random = new Random(1);
        var words = Enumerable.Range(0, 5_000).Select(_ => string.Concat(Enumerable.Range(0, 2 + random.Next(8)).Select(_ => (char)('a' + random.Next(26))))).ToList();
        var sentences = Enumerable.Range(0, 900).Select(_ => string.Join(' ', Enumerable.Range(0, 12).Select(_ => words[random.Next(words.Count)])) + ".");
        _document = string.Join("\n\n", sentences.Chunk(6).Select(paragraph => string.Join(' ', paragraph)));
        _passage = _document[..1200];
    }

    /// <summary>The document into passages.</summary>
    [Benchmark]
    public int Split() => _chunker.Split(_document).Count;

    /// <summary>A passage of 1,200 characters into 384 dimensions.</summary>
    [Benchmark]
    public int Embed() => HashingEmbedding.Embed(_passage, _vector);
}
