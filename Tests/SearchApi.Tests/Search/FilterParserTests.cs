using System.Text.Json;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class FilterParserTests
{
    [Fact]
    public void Parse_OfAField_IsEquality()
    {
        var filter = Assert.IsType<EqualsFilter>(Parse("""{"author.name": "Ada"}"""));

        Assert.Equal(["author", "name"], filter.Path);
        Assert.Equal("""{"author":{"name":"Ada"}}""", filter.Document);
        Assert.True(filter.IsScalar);
    }

    [Fact]
    public void Parse_OfAnEscapedDot_IsPartOfTheName() =>
        Assert.Equal(["a.b", "c"], Assert.IsType<ExistsFilter>(Parse("""{"a\\.b.c": {"$exists": true}}""")).Path);

    [Fact]
    public void Parse_OfSeveralOperators_DemandsAll()
    {
        var filter = Assert.IsType<AndFilter>(Parse("""{"year": {"$gte": 2000, "$lt": 2010}}"""));

        Assert.Equal(
            [FilterOperator.GreaterThanOrEqual, FilterOperator.LessThan],
            filter.Conditions.Cast<NumberFilter>().Select(f => f.Operator));
    }

    [Fact]
    public void Parse_OfIds_IsOneList() =>
        Assert.Equal(["a", "b"], Assert.IsType<IdFilter>(Parse("""{"$id": {"$in": ["a", "b"]}}""")).Ids);

    [Fact]
    public void Parse_OfTimes_AssumesUniversalTime() =>
        Assert.Equal(
            new DateTimeOffset(2026, 1, 31, 0, 0, 0, TimeSpan.Zero),
            Assert.IsType<TimeFilter>(Parse("""{"$updatedAt": {"$gt": "2026-01-31"}}""")).Value);

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    public void Parse_OfNoCondition_IsNoFilter(string json) => Assert.Null(Parse(json));

    [Theory]
    [InlineData("[]", "filter")]
    [InlineData("\"x\"", "filter")]
    [InlineData("""{"$nor": []}""", "filter.$nor")]
    [InlineData("""{"$and": []}""", "filter.$and")]
    [InlineData("""{"$or": [{"a": 1}, 5]}""", "filter.$or[1]")]
    [InlineData("""{"a": {"$gt": true}}""", "filter.a.$gt")]
    [InlineData("""{"a": {"$like": "x"}}""", "filter.a.$like")]
    [InlineData("""{"a": {"$gt": 1, "b": 2}}""", "filter.a.b")]
    [InlineData("""{"a": {"$in": 5}}""", "filter.a.$in")]
    [InlineData("""{"a": {"$exists": 1}}""", "filter.a.$exists")]
    [InlineData("""{"a": {"$contains": [[1]]}}""", "filter.a.$contains")]
    [InlineData("""{"a": 1e999}""", "filter.a")]
    [InlineData("""{"a": "x\u0000"}""", "filter.a")]
    [InlineData("""{"a": "\ud800"}""", "filter.a")]
    [InlineData("""{"$id": 5}""", "filter.$id")]
    [InlineData("""{"$updatedAt": {"$gt": "soon"}}""", "filter.$updatedAt.$gt")]
    [InlineData("""{"$updatedAt": {"$gt": "02/03/2026"}}""", "filter.$updatedAt.$gt")]
    [InlineData("""{"$createdAt": null}""", "filter.$createdAt")]
    [InlineData("""{"$createdAt": {"$in": ["2026-01-31", null]}}""", "filter.$createdAt.$in[1]")]
    public void Parse_OfAWrongFilter_NamesThePlace(string json, string place)
    {
        using var document = JsonDocument.Parse(json);

        Assert.Null(FilterParser.Parse(document.RootElement, out var errors));

        Assert.Equal(place, Assert.Single(errors).Key);
    }

    [Theory]
    [InlineData("""{"$or": [ITEMS]}""", """{"a": 1}""", 101, "filter")]
    [InlineData("""{"a": {"$in": [ITEMS]}}""", "5", 1_001, "filter.a.$in")]
    [InlineData("""{"a": {"$nin": [ITEMS]}}""", "[5]", 101, "filter")]
    [InlineData("""{"$id": {"$in": [ITEMS]}}""", "\"x\"", 10_001, "filter.$id.$in")]
    [InlineData("""{"$createdAt": {"$in": [ITEMS]}}""", "\"2026-01-31\"", 101, "filter.$createdAt.$in")]
    public void Parse_OfTooMany_IsRefused(string filter, string item, int count, string place)
    {
        using var document = JsonDocument.Parse(filter.Replace("ITEMS", string.Join(',', Enumerable.Repeat(item, count)), StringComparison.Ordinal));

        Assert.Null(FilterParser.Parse(document.RootElement, out var errors));

        Assert.Equal(place, Assert.Single(errors).Key);
    }

    [Fact]
    public void Parse_OfLongLists_IsOneConditionEach()
    {
        var ids = Assert.IsType<IdFilter>(Parse($$$"""{"$id": {"$in": [{{{string.Join(',', Enumerable.Repeat("\"x\"", 10_000))}}}]}}"""));
        var values = Assert.IsType<AnyEqualsFilter>(Parse($$$"""{"a.b": {"$in": [{{{string.Join(',', Enumerable.Range(0, 999))}}}, null]}}"""));

        Assert.Equal(10_000, ids.Ids.Count);
        Assert.Equal(1_000, values.Documents.Count);
        Assert.Equal("""{"a":{"b":null}}""", values.Documents[^1]);
    }

    [Fact]
    public void Parse_OfAListOfAllKinds_MeetsAnyOfThem()
    {
        var any = Assert.IsType<OrFilter>(Parse("""{"a": {"$in": [1, [2], "x"]}}"""));

        Assert.Equal([typeof(EqualsFilter), typeof(AnyEqualsFilter)], any.Conditions.Select(c => c.GetType()));
    }

    [Fact]
    public void Parse_OfTooDeepConditions_IsRefused()
    {
        using var document = JsonDocument.Parse(
            string.Concat(Enumerable.Repeat("""{"$not":""", 8)) + """{"a": 1}""" + new string('}', 8));

        Assert.Null(FilterParser.Parse(document.RootElement, out var errors));

        Assert.Single(errors);
    }

    private static Filter? Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        var filter = FilterParser.Parse(document.RootElement, out var errors);
        Assert.Empty(errors);
        return filter;
    }
}
