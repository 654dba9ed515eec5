using RagPlatform.SearchApi.Ask;

namespace RagPlatform.SearchApi.Tests.Ask;

public sealed class AskStreamTests
{
    [Theory]
    [InlineData("A wing stalls [1] and [2], not [99] or [1].", new[] { 1, 2 })]
    [InlineData("Digits of others: [\u0661] [\u0967] [2\u0660]. None [0], [-1], [1000], [ 1 ].", new int[0])]
    [InlineData("", new int[0])]
    public void FindCitations_OfAnAnswer_HasThoseThatAreSources(string answer, int[] expected) =>
        Assert.Equal(expected, AskStream.FindCitations(answer, 5));

    [Theory]
    [InlineData("""{"error":{"message":"no credit"}}""", "no credit")]
    [InlineData("""{"error":"model not found"}""", "model not found")]
    [InlineData("""{"message":"plain"}""", "plain")]
    [InlineData("""{"detail":"not found"}""", "not found")]
    [InlineData("""{"error":{"message":5}}""", null)]
    [InlineData("""{"error":null}""", null)]
    [InlineData("[1]", null)]
    [InlineData("<html>", null)]
    [InlineData("", null)]
    public void FindMessage_OfAnAnswer_FindsWhatItSays(string json, string? expected) =>
        Assert.Equal(expected, AskStream.FindMessage(BinaryData.FromString(json)));
}
