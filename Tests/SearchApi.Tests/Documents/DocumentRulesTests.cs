using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Documents;

namespace RagPlatform.SearchApi.Tests.Documents;

public sealed class DocumentRulesTests
{
    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("""{"a":[1,2.5,-3e8,true,null,"é"],"b":{"c":"🙂"}}""")]
    public void CheckMetadata_AnObjectOrNothing_IsRight(string json) => Assert.Null(DocumentRules.CheckMetadata(JsonElement.Parse(json)));

    [Theory]
    [InlineData("[]", "object")]
    [InlineData("\"a\"", "object")]
    public void CheckMetadata_WhatIsNoObject_SaysWhy(string json, string reason) =>
        Assert.Contains(reason, DocumentRules.CheckMetadata(JsonElement.Parse(json)), StringComparison.Ordinal);

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
