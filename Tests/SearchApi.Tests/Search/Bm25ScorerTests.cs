using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class Bm25ScorerTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 10)]
    [InlineData(3, 100)]
    [InlineData(4, 3000)]
    public void Rank_OfRandomCollections_EqualsScoringEverything(int seed, int k)
    {
        var random = new Random(seed);
        for (var round = 0; round < 20; round++)
        {
            var query = RandomQuery(random, chunks: 3000);

            var ranking = Bm25Scorer.Rank(query, k);

            AssertSame(Naive(query, k), ranking.Best);
        }
    }

    [Fact]
    public void Rank_OfOneCommonTerm_LeavesBlocksOutThatCannotMatter()
    {
        var strong = Enumerable.Range(1, 480).Select(i => new Posting(i, i, 20, 50)).ToArray();
        var weak = Enumerable.Range(1000, 4800).Select(i => new Posting(i, i, 1, 200)).ToArray();
        var query = Query(10_000, 1_000_000, Term("common", [strong, .. weak.Chunk(480)], []));

        var ranking = Bm25Scorer.Rank(query, 10);

        AssertSame(Naive(query, 10), ranking.Best);
        Assert.InRange(ranking.Decoded, 480, 4000);
        Assert.False(ranking.IsAll);
    }

    [Fact]
    public void Rank_WithFewerMatchesThanWanted_SaysThatThereAreNoOthers()
    {
        var query = Query(100, 1000, Term("rare", [[new(1, 1, 1, 10), new(2, 5, 2, 10)]], [new(3, 9, 1, 10)]));

        var ranking = Bm25Scorer.Rank(query, 10);

        Assert.True(ranking.IsAll);
        Assert.Equal([5, 1, 9], ranking.Best.Select(s => s.LexicalId));
    }

    [Fact]
    public void Rank_WithAllowedIds_ScoresOnlyThem()
    {
        var random = new Random(5);
        var query = RandomQuery(random, chunks: 1000);
        var allowed = Enumerable.Range(0, 100).Select(_ => (long)random.Next(1, 1000)).ToHashSet();

        var ranking = Bm25Scorer.Rank(query, 10, allowed);

        AssertSame([.. Naive(query, int.MaxValue).Where(s => allowed.Contains(s.DocumentKey)).Take(10)], ranking.Best);
    }

    [Fact]
    public void Rank_WithoutTerms_FindsNothing()
    {
        var ranking = Bm25Scorer.Rank(Query(10, 100), 10);

        Assert.Empty(ranking.Best);
        Assert.True(ranking.IsAll);
    }

    private static void AssertSame(IReadOnlyList<LexicalScore> expected, IReadOnlyList<LexicalScore> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (var i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i].Score, actual[i].Score, 1e-9);
        }

        // Chunks of equal score may change places; those above the last score are the same.
        var last = expected.Count == 0 ? 0 : expected[^1].Score + 1e-9;
        Assert.Equal(
            expected.Where(s => s.Score > last).Select(s => s.LexicalId).Order(),
            actual.Where(s => s.Score > last).Select(s => s.LexicalId).Order());
    }

    private static List<LexicalScore> Naive(LexicalQueryRow query, int k)
    {
        var scores = new Dictionary<(long Id, long Document), double>();
        foreach (var term in query.Terms)
        {
            var postings = term.Blocks.SelectMany(b => LexicalBlock.Decode(b.Postings)).Concat(term.Recent).ToList();
            var idf = Math.Log(1 + ((Math.Max(query.Documents, term.Documents) - term.Documents + 0.5) / (term.Documents + 0.5)));
            foreach (var posting in postings)
            {
                var impact = posting.Frequency
                    / (posting.Frequency + (1.2 * (1 - 0.75 + (0.75 * posting.Length / ((double)query.Length / query.Chunks)))));
                var key = (posting.LexicalId, posting.DocumentKey);
                scores[key] = scores.GetValueOrDefault(key) + (term.QueryFrequency * idf * impact);
            }
        }

        return [.. scores.Select(s => new LexicalScore(s.Key.Id, s.Key.Document, s.Value)).OrderByDescending(s => s.Score).ThenBy(s => s.LexicalId).Take(k)];
    }

    private static LexicalQueryRow RandomQuery(Random random, int chunks)
    {
        var lengths = Enumerable.Range(0, chunks).Select(_ => random.Next(20, 300)).ToArray();
        var terms = Enumerable.Range(0, random.Next(1, 8)).Select(t =>
        {
            var share = Math.Pow(random.NextDouble(), 3);
            var postings = Enumerable.Range(1, chunks).Where(_ => random.NextDouble() < share)
                .Select(id => new Posting((id + 1) / 2, id, 1 + (int)(4 * Math.Pow(random.NextDouble(), 4)), lengths[id - 1])).ToArray();
            var recent = postings.Length / 10;
            return Term("t" + t, postings[..^recent].Chunk(64), postings[^recent..], random.Next(1, 3));
        });
        return Query(chunks, lengths.Sum(), [.. terms]);
    }

    // The average length of when blocks were written is not that of today.
    private static LexicalTermRow Term(string term, IEnumerable<Posting[]> blocks, Posting[] recent, int queryFrequency = 1) =>
        new(term, queryFrequency, [.. blocks.Select((postings, i) => new LexicalBlockRow(
            postings.Length, LexicalBlock.CountDocuments(postings), (float)LexicalBlock.HighestImpact(postings, 80 + (i * 10 % 120)), 80 + (i * 10 % 120), LexicalBlock.Encode(postings)))], recent);

    private static LexicalQueryRow Query(long chunks, long length, params LexicalTermRow[] terms) => new(chunks, chunks, length, terms);
}
