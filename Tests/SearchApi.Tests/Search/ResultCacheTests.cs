using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class ResultCacheTests
{
    [Fact]
    public void SizeOf_OfAnAnswer_CountsEveryTextOfIt()
    {
        var text = new string('x', 10_000);
        var hit = new SearchHit("d", 1, 0, 1, "", "", text, JsonElement.Parse("{}"), [text], [new(2, 1, 0, text)], [new(3, 2, 0, text)]);
        var response = new SearchResponse([hit, hit], SearchMode.Keyword, "bm25", "s", 1, false, new(0, 0, 0));

        Assert.InRange(ResultCache.SizeOf(response), 2 * 4 * 20_000, 2 * 4 * 20_000 * 1.1);
    }

    [Theory]
    [InlineData("""{"query": "x"}""", true)]
    [InlineData("""{"query": "x", "boosts": [{"weight": 1, "filter": {"a": 1}}]}""", true)]
    [InlineData("""{"query": "x", "boosts": [{"weight": 1, "halfLifeDays": 3}]}""", false)]
    [InlineData("""{"query": "x", "fuzzy": true}""", false)]
    public void IsRepeatable_OfASearchThatChangesWithoutAWrite_IsFalse(string json, bool expected)
    {
        var request = JsonSerializer.Deserialize<SearchRequest>(json, RagJson.Options)!;

        var query = SearchRequestReader.Read(TestWorkspace.Row, request, out var errors);

        Assert.Empty(errors);
        Assert.Equal(expected, query.IsRepeatable);
    }
}
