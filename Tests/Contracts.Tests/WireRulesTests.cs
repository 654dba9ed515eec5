using System.Text.Json;

namespace RagPlatform.Contracts.Tests;

public sealed class WireRulesTests
{
    private static readonly JsonSerializerOptions s_options = WireRules.Apply(RagJson.Configure(new JsonSerializerOptions(JsonSerializerDefaults.Web)));

    [Theory]
    [InlineData("""{"query":"x","boosts":[null]}""", "$", "boosts[0]", "null")]
    [InlineData("""{"query":"x","minScore":-1e400}""", "$", "minScore", "finite")]
    [InlineData("""{"query":"x","boosts":[{"weight":1},{"weight":1e999}]}""", "$.boosts[1]", "weight", "finite")]
    [InlineData("""{"query":"x","vector":[1,1e39]}""", "$", "vector[1]", "finite")]
    [InlineData("""{"query":"a\u0000"}""", "$", "query", "NUL")]
    [InlineData("""{"query":"x","filter":{"a":["\u0000"]}}""", "$", "filter", "NUL")]
    [InlineData("""{"query":"x","filter":{"\u0000":1}}""", "$", "filter", "NUL")]
    [InlineData("""{"query":"x","filter":{"a":"\ud800"}}""", "$", "filter", "Unicode")]
    [InlineData("""{"query":"x","filter":{"a":1e401}}""", "$", "filter", "range")]
    [InlineData("""{"query":"x","filter":{"a":1e99999999999999}}""", "$", "filter", "range")]
    public void Apply_AValueThatNoRecordTakes_IsRefusedWithItsPlace(string json, string path, string member, string reason)
    {
        var refused = Assert.Throws<WireRuleException>(() => JsonSerializer.Deserialize<SearchRequest>(json, s_options));

        Assert.Equal((path, member), (refused.Path, refused.Member));
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Apply_TextsOfAList_AreCheckedOneByOne()
    {
        var refused = Assert.Throws<WireRuleException>(
            () => JsonSerializer.Deserialize<DeadLetterSelection>("""{"ids":["a","b\u0000"]}""", s_options));

        Assert.Equal("ids[1]", refused.Member);
    }

    [Fact]
    public void Apply_WhatIsRight_IsRead()
    {
        const string Json = """{"query":"é 🙂","minScore":-1e300,"vector":[0.5,-1],"filter":{"a":1e400,"b":[null,"x"]},"boosts":[{"weight":1,"filter":null}]}""";

        var request = JsonSerializer.Deserialize<SearchRequest>(Json, s_options)!;

        Assert.Equal(("é 🙂", -1e300, 2, 1), (request.Query, request.MinScore, request.Vector!.Count, request.Boosts!.Count));
    }

    [Fact]
    public void Check_InvalidUtf8InAString_SaysWhy() =>
        Assert.Contains("Unicode", WireRules.Check(JsonElement.Parse([.. "{\"a\":\""u8, 0xFF, .. "\"}"u8])), StringComparison.Ordinal);

    // A range of integers converts its value to one first, which throws for what is larger.
    [Fact]
    public void Ranges_OfEveryRecord_AreOfTheMembersOwnType()
    {
        var ranges = typeof(SearchRequest).Assembly.GetTypes().SelectMany(type => type.GetConstructors()).SelectMany(c => c.GetParameters())
            .SelectMany(p => p.GetCustomAttributes(false).OfType<System.ComponentModel.DataAnnotations.RangeAttribute>().Select(range => (Parameter: p, Range: range)))
            .ToList();

        Assert.NotEmpty(ranges);
        Assert.All(ranges, r => Assert.True(
            r.Range.OperandType != typeof(int) || (Nullable.GetUnderlyingType(r.Parameter.ParameterType) ?? r.Parameter.ParameterType) == typeof(int),
            $"{r.Parameter.Member.DeclaringType}.{r.Parameter.Name}"));
    }
}
