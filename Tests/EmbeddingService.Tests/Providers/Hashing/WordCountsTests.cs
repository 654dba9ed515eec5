using RagPlatform.EmbeddingService.Providers.Hashing;

namespace RagPlatform.EmbeddingService.Tests.Providers.Hashing;

public sealed class WordCountsTests
{
    [Fact]
    public void Add_ManyWords_KeepsOrderCountsAndCharacters()
    {
        var words = new WordCounts();
        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < 20_000; i++)
            {
                if (i % 3 >= round)
                {
                    words.Add($"word{i}");
                }
            }
        }

        Assert.Equal(20_000, words.Count);
        for (var i = 0; i < words.Count; i++)
        {
            var word = words.Get(i, out var hash, out var count);

            Assert.Equal($"word{i}", word.ToString());
            Assert.Equal(FeatureHash.OfWord(word), hash);
            Assert.Equal((i % 3) + 1, count);
        }

        Assert.Equal(Enumerable.Range(0, 20_000).Sum(i => (i % 3) + 1), words.Total);
        words.Dispose();
    }
}
