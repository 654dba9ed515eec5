using RagPlatform.Storage;

namespace RagPlatform.Storage.Tests;

public sealed class LexicalBlockTests
{
    [Fact]
    public void Decode_OfEncodedPostings_GivesThemBack()
    {
        var random = new Random(1);
        var document = 1L;
        var postings = Enumerable.Range(0, 2000)
            .Select(_ => new Posting(
                document += random.NextInt64(random.Next(3) == 0 ? 1L << 40 : 2), random.NextInt64(1, 1L << 45), random.Next(1, 300), random.Next(1, 20_000)))
            .ToArray();
        Array.Sort(postings, Posting.Compare);

        Assert.Equal(postings, LexicalBlock.Decode(LexicalBlock.Encode(postings)));
    }

    [Fact]
    public void Encode_OfNeighbouringPostings_TakesFourBytesEach()
    {
        var postings = Enumerable.Range(1, LexicalBlock.Capacity).Select(i => new Posting(i, i, 1, 100)).ToArray();

        Assert.Equal(4 * LexicalBlock.Capacity, LexicalBlock.Encode(postings).Length);
    }

    [Fact]
    public void Encode_OfUnorderedPostings_Throws() =>
        Assert.Throws<ArgumentException>(() => LexicalBlock.Encode([new(1, 2, 1, 1), new(1, 2, 1, 1)]));

    [Fact]
    public void CountDocuments_OfSeveralChunksOfADocument_CountsItOnce() =>
        Assert.Equal(2, LexicalBlock.CountDocuments([new(1, 2, 1, 1), new(1, 3, 1, 1), new(4, 1, 1, 1)]));

    [Fact]
    public void Decode_OfTruncatedBlock_Throws()
    {
        var block = LexicalBlock.Encode([new(1, 300, 1, 200)]);

        Assert.Throws<InvalidDataException>(() => LexicalBlock.Decode(block.AsSpan(0, block.Length - 1)));
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.99)]
    [InlineData(1)]
    [InlineData(1.5)]
    [InlineData(20)]
    public void UpperBound_AtAnotherAverageLength_IsNeverBelowAnyImpact(double ratio)
    {
        var random = new Random(2);
        for (var i = 0; i < 1000; i++)
        {
            var written = 1 + (random.NextDouble() * 200);
            var (frequency, length) = (random.Next(1, 50), random.Next(1, 500));

            var bound = Bm25.UpperBound((float)Bm25.Impact(frequency, length, written), (float)written, written * ratio);

            Assert.True(bound >= Bm25.Impact(frequency, length, written * ratio));
        }
    }

    [Fact]
    public void Idf_OfTermsInAllChunks_IsAboveZero() => Assert.InRange(Bm25.Idf(10, 12), double.Epsilon, 0.1);
}
