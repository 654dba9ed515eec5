using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Documents;

namespace RagPlatform.SearchApi.Tests.Documents;

public sealed class DocumentRulesTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("guides/setup/linux.md")]
    [InlineData("/leading and trailing/")]
    [InlineData("100%")]
    [InlineData("é/日本語/🙂")]
    [InlineData("..a/b..")]
    public void CheckId_AnIdThatAPathCanName_IsRight(string id) => Assert.Null(DocumentRules.CheckId(id));

    [Theory]
    [InlineData("", "empty")]
    [InlineData("   ", "empty")]
    [InlineData("a\nb", "control")]
    [InlineData("a\0b", "control")]
    [InlineData("a%2fb", "%2F")]
    [InlineData("a/../b", "'..'")]
    [InlineData("./a", "'.'")]
    public void CheckId_AnIdThatAPathCannotName_SaysWhy(string id, string reason) =>
        Assert.Contains(reason, DocumentRules.CheckId(id), StringComparison.Ordinal);

    [Fact]
    public void CheckId_OneCharacterTooMany_NamesTheLimit()
    {
        Assert.Null(DocumentRules.CheckId(new string('a', DocumentLimits.MaxIdLength)));
        Assert.Contains("512", DocumentRules.CheckId(new string('a', DocumentLimits.MaxIdLength + 1)), StringComparison.Ordinal);
    }

    [Fact]
    public void CheckText_Nul_IsNamedWithItsPlace() =>
        Assert.Contains("character 2", DocumentRules.CheckText("a\0"), StringComparison.Ordinal);

    // Not as InlineData: attributes are stored as UTF-8, which has no such characters.
    [Fact]
    public void CheckText_HalfOfAPair_IsNamedWithItsPlace()
    {
        Assert.Contains("character 1", DocumentRules.CheckText("\ud83d"), StringComparison.Ordinal);
        Assert.Contains("character 3", DocumentRules.CheckText("ab\udc00c"), StringComparison.Ordinal);
        Assert.Contains("character 3", DocumentRules.CheckText("🙂\ud83dx"), StringComparison.Ordinal);
        Assert.Contains("surrogate", DocumentRules.CheckId("a\ud800"), StringComparison.Ordinal);
    }

    [Fact]
    public void CheckText_PairsOfSurrogates_AreRight() => Assert.Null(DocumentRules.CheckText("🙂 and 🚀🚀 then text"));

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("""{"a":[1,2.5,-3e8,true,null,"é"],"b":{"c":"🙂"}}""")]
    public void CheckMetadata_AnObjectOrNothing_IsRight(string json) => Assert.Null(DocumentRules.CheckMetadata(JsonElement.Parse(json)));

    [Theory]
    [InlineData("[]", "object")]
    [InlineData("\"a\"", "object")]
    [InlineData("""{"a":"\u0000"}""", "NUL")]
    [InlineData("""{"\u0000":1}""", "NUL")]
    [InlineData("""{"a":"\ud800"}""", "Unicode")]
    [InlineData("""{"a":{"b":["\udc00"]}}""", "Unicode")]
    [InlineData("""{"a":1e999}""", "range")]
    [InlineData("""{"a":1e99999999999999}""", "range")]
    public void CheckMetadata_WhatCannotBeStored_SaysWhy(string json, string reason) =>
        Assert.Contains(reason, DocumentRules.CheckMetadata(JsonElement.Parse(json)), StringComparison.Ordinal);

    [Fact]
    public void CheckMetadata_InvalidUtf8InAString_SaysWhy()
    {
        var json = JsonElement.Parse([.. "{\"a\":\""u8, 0xFF, .. "\"}"u8]);

        Assert.Contains("Unicode", DocumentRules.CheckMetadata(json), StringComparison.Ordinal);
    }

    [Fact]
    public void CheckMetadata_AsDeepAsAllowed_IsRightAndOneDeeperIsNot()
    {
        Assert.Null(DocumentRules.CheckMetadata(Nested(DocumentRules.MaxMetadataDepth)));
        Assert.Contains("deeply", DocumentRules.CheckMetadata(Nested(DocumentRules.MaxMetadataDepth + 1)), StringComparison.Ordinal);

        static JsonElement Nested(int levels) =>
            JsonElement.Parse(new StringBuilder().Insert(0, "{\"a\":", levels - 1).Append("{}").Append('}', levels - 1).ToString());
    }

    [Fact]
    public void CheckMetadata_OneByteTooMany_NamesTheLimit()
    {
        Assert.Null(DocumentRules.CheckMetadata(OfSize(DocumentLimits.MaxMetadataBytes)));
        Assert.Contains("65536", DocumentRules.CheckMetadata(OfSize(DocumentLimits.MaxMetadataBytes + 1)), StringComparison.Ordinal);

        static JsonElement OfSize(int bytes) => JsonElement.Parse($"{{\"a\":\"{new string('x', bytes - 8)}\"}}");
    }

    [Fact]
    public void CheckBatch_TheSameIdTwice_NamesBothPositions()
    {
        var errors = DocumentEndpoints.CheckBatch([new("a", "1"), new("b", "2"), new("a", "3")]);

        var (path, messages) = Assert.Single(errors);
        Assert.Equal("documents[2].id", path);
        Assert.Contains("documents[0]", messages[0], StringComparison.Ordinal);
    }

    [Fact]
    public void CheckBatch_SeveralFaults_AreAllNamed()
    {
        var errors = DocumentEndpoints.CheckBatch([new("a", "\0"), new("b/../c", "x", Metadata: JsonElement.Parse("[]")), null!]);

        Assert.Equal(["documents[0].text", "documents[1].id", "documents[1].metadata", "documents[2]"], errors.Keys.Order());
    }
}
