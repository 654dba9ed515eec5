using System.Text.Json;
using RagPlatform.Lab.Drill;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Search;

public sealed class FilterTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Filter_OfRandomConditions_FindsWhatTheOracleFinds()
    {
        var random = new Random(11);
        var corpus = await SearchCorpus.CreateAsync(database, "oracle", "english", Cancelled);
        await corpus.PutAsync(
            [.. Enumerable.Range(0, 300).Select(i => new DocumentInput("d" + i, "", "", FilterOracle.RandomMetadata(random), 1))], Cancelled);
        var metadata = (await corpus.QueryAsync<string>(
                "SELECT document_id || ' ' || document_key || ' ' || metadata::text FROM documents WHERE workspace_id = $1", Cancelled))
            .Select(row => row.Split(' ', 3)).ToDictionary(p => p[0], p => (Key: long.Parse(p[1], null), Metadata: JsonElement.Parse(p[2])));
        var passages = new PassageStore(database.DataSource);
        var matching = 0;

        for (var i = 0; i < 500; i++)
        {
            var json = FilterOracle.RandomFilter(random, 3).ToJsonString();
            var filter = FilterParser.Parse(JsonElement.Parse(json), out var errors);
            Assert.Empty(errors);

            var found = await passages.FindMatchingAsync(corpus.WorkspaceId, filter!, Cancelled);

            var expected = metadata.Where(d => FilterOracle.Matches(JsonElement.Parse(json), d.Key, default, d.Value.Metadata)).Select(d => d.Value.Key);
            Assert.True(found.SetEquals(expected), json);
            matching += found.Count;
        }

        // Else the filters would be too narrow, or too wide, to tell anything.
        Assert.InRange(matching, 500 * 10, 500 * 290);
    }

    [Fact]
    public async Task Filter_OfTimes_ComparesTheDocumentsOwn()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "times", "english", Cancelled);
        await corpus.PutAsync("old", "", "{}", Cancelled);
        await corpus.PutAsync("new", "", "{}", Cancelled);
        await corpus.ExecuteAsync(
            "UPDATE documents SET updated_at = '2020-01-01T12:00:00Z' WHERE workspace_id = $1 AND document_id = 'old'", Cancelled);

        Assert.Equal(1, await CountAsync(corpus, """{"$updatedAt": {"$lt": "2021-01-01"}}"""));
        Assert.Equal(1, await CountAsync(corpus, """{"$updatedAt": "2020-01-01T13:00:00+01:00"}"""));
        Assert.Equal(0, await CountAsync(corpus, """{"$updatedAt": {"$lte": "2020-01-01T11:59:59Z"}}"""));
        Assert.Equal(2, await CountAsync(corpus, """{"$createdAt": {"$gt": "2021-01-01"}}"""));
    }

    [Fact]
    public async Task Filter_OfLongLists_FindsAllOfThem()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "lists", "english", Cancelled);
        await corpus.PutAsync([.. Enumerable.Range(0, 150).Select(i => new DocumentInput("d" + i, "", "", $$$"""{"n": {{{i}}}, "of": {"n": null}}""", 1))], Cancelled);
        var ids = string.Join(',', Enumerable.Range(30, 10_000).Select(i => $"\"d{i}\""));
        var numbers = string.Join(',', Enumerable.Range(140, 1_000));

        Assert.Equal(120, await CountAsync(corpus, $$$"""{"$id": {"$in": [{{{ids}}}]}}"""));
        Assert.Equal(30, await CountAsync(corpus, $$$"""{"$id": {"$nin": [{{{ids}}}]}}"""));
        Assert.Equal(10, await CountAsync(corpus, $$$"""{"n": {"$in": [{{{numbers}}}]}}"""));
        Assert.Equal(140, await CountAsync(corpus, $$$"""{"n": {"$nin": [{{{numbers}}}]}}"""));
        Assert.Equal(150, await CountAsync(corpus, """{"of.n": {"$in": [null, 1]}}"""));
        Assert.Equal(0, await CountAsync(corpus, """{"absent": {"$in": [null]}}"""));
    }

    [Theory]
    [InlineData("x' OR true --")]
    [InlineData("$1")]
    [InlineData("'; DROP TABLE documents; --")]
    public async Task Filter_OfHostileNamesAndValues_MatchesNothing(string hostile)
    {
        var corpus = await SearchCorpus.CreateAsync(database, "h" + Guid.NewGuid().ToString("n"), "english", Cancelled);
        await corpus.PutAsync("a", "", """{"x": "y"}""", Cancelled);
        var text = JsonSerializer.Serialize(hostile);
        var name = JsonSerializer.Serialize("x." + hostile);

        Assert.Equal(0, await CountAsync(corpus, $$$"""{"x": {{{text}}}}"""));
        Assert.Equal(0, await CountAsync(corpus, $$$"""{{{{name}}}: {"$gt": {{{text}}}}}"""));
        Assert.Equal(0, await CountAsync(corpus, $$$"""{"$id": {{{text}}}}"""));
        Assert.Equal(1, await CountAsync(corpus, """{"x": "y"}"""));
    }

    private async Task<int> CountAsync(SearchCorpus corpus, string json)
    {
        var filter = FilterParser.Parse(JsonElement.Parse(json), out var errors);
        Assert.Empty(errors);
        return (await new PassageStore(database.DataSource).FindMatchingAsync(corpus.WorkspaceId, filter!, Cancelled)).Count;
    }
}
