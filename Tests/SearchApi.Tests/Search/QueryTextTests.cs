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
    [InlineData("15\" monitor 17\" stand")]
    [InlineData("a 15\" monitor \" stand")]
    [InlineData("\" spaced \" quotes")]
    [InlineData("one\"two\"three")]
    public void Parse_OfALonelyOrEmptyQuote_HasNoPhrase(string query) => Assert.Empty(QueryText.Parse(query).Phrases);

    [Theory]
    [InlineData("(\"blue sky\"), clouds", "blue sky")]
    [InlineData("\u201Cblue sky\u201D clouds", "blue sky")]
    [InlineData("\u201Eblauer Himmel\u201C", "blauer Himmel")]
    [InlineData("\"one\" \"two three\"", "one two three")]
    public void Parse_OfQuotesAtTheEdgesOfWords_FindsWhatTheyQuote(string query, string quoted) =>
        Assert.Equal(quoted, QueryText.Parse(query).Quoted);

    [Theory]
    [InlineData("e-mail", false, SearchMode.Hybrid)]
    [InlineData("well-being", false, SearchMode.Hybrid)]
    [InlineData("T-cell", false, SearchMode.Hybrid)]
    [InlineData("AX-4711", false, SearchMode.Keyword)]
    [InlineData("how do wings work", false, SearchMode.Hybrid)]
    [InlineData("ERR_4711", false, SearchMode.Keyword)]
    [InlineData("say \"boundary layer\"", false, SearchMode.Keyword)]
    [InlineData("", true, SearchMode.Vector)]
    public void Resolve_OfAuto_FollowsTheText(string query, bool hasVector, SearchMode expected) =>
        Assert.Equal(expected, QueryText.Parse(query).Resolve(SearchMode.Auto, hasVector));
}
