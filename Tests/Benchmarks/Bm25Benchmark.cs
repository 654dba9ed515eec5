using BenchmarkDotNet.Attributes;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.Benchmarks;

/// <summary>How long does scoring take, apart from PostgreSQL, when one term is rare and the other is in a share of 100,000 chunks?</summary>
[MemoryDiagnoser]
public class Bm25Benchmark
{
    private const int Chunks = 100_000;

    private LexicalQueryRow _query = null!;

    /// <summary>Share of the chunks that have the common term.</summary>
    [Params(0.01, 0.25)]
    public double Share { get; set; }

    /// <summary>Makes the postings.</summary>
    [GlobalSetup]
    public void Setup()
    {
        var random = new Random(1);
        _query = new(Chunks, Chunks, Chunks * 120L, [Term("rare", 0.001), Term("common", Share)]);

        LexicalTermRow Term(string term, double share)
        {
            var postings = Enumerable.Range(1, Chunks)
                .Where(_ => random.NextDouble() < share)
                .Select(id => new Posting(id, id, 1 + random.Next(4), 60 + random.Next(120)))
                .ToList();
            return new(term, 1, [.. postings.Chunk(LexicalBlock.Capacity).Select(Block)], []);
        }

        static LexicalBlockRow Block(Posting[] postings) => new(
            postings.Length, LexicalBlock.CountDocuments(postings), LexicalBlock.HighestImpact(postings, 120), 120, LexicalBlock.Encode(postings));
    }

    /// <summary>The ten best.</summary>
    [Benchmark]
    public int Rank() => Bm25Scorer.Rank(_query, 10).Best.Count;
}
