using RagPlatform.EmbeddingService.Providers.Hashing;

namespace RagPlatform.EmbeddingService.Tests.Providers.Hashing;

public sealed class PluralStemmerTests
{
    [Theory]
    [InlineData("vectors", "vector")]
    [InlineData("queries", "query")]
    [InlineData("indexes", "indexe")]
    [InlineData("houses", "house")]
    [InlineData("ties", "tie")]
    [InlineData("class", "class")]
    [InlineData("status", "status")]
    [InlineData("analysis", "analysis")]
    [InlineData("shoes", "shoes")]
    [InlineData("was", "was")]
    [InlineData("s", "s")]
    [InlineData("search", "search")]
    public void Stem_Word_LosesPluralEndingOnly(string word, string stem)
    {
        Assert.Equal(stem, PluralStemmer.Stem(word.ToCharArray()).ToString());
    }
}
