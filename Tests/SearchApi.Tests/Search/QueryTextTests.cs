using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class QueryTextTests
{
    [Fact]
    public void Parse_OfAPhrase_AsksForItsWordsInARow()
    {
        var text = QueryText.Parse("""about "Reynolds-number effects" here""");

        Assert.Equal([@"\mReynolds[^[:alnum:]]+number[^[:alnum:]]+effects\M"], text.Phrases);
        Assert.Equal("about  Reynolds-number effects  here", text.Words);
    }

    [Theory]
    [InlineData("5\" disk")]
    [InlineData("\"\" x")]
    [InlineData("\"?!\" x")]
    public void Parse_OfALonelyOrEmptyQuote_HasNoPhrase(string query) => Assert.Empty(QueryText.Parse(query).Phrases);

    [Theory]
    [InlineData("how do wings work", false, SearchMode.Hybrid)]
    [InlineData("ERR_4711", false, SearchMode.Keyword)]
    [InlineData("say \"boundary layer\"", false, SearchMode.Keyword)]
    [InlineData("", true, SearchMode.Vector)]
    public void Resolve_OfAuto_FollowsTheText(string query, bool hasVector, SearchMode expected) =>
        Assert.Equal(expected, QueryText.Parse(query).Resolve(SearchMode.Auto, hasVector));
}
