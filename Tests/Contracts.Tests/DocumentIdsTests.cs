namespace RagPlatform.Contracts.Tests;

public sealed class DocumentIdsTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("guides/setup/linux.md")]
    [InlineData("/leading and trailing/")]
    [InlineData("100%")]
    [InlineData("é/日本語/🙂")]
    [InlineData("..a/b..")]
    public void Check_AnIdThatAPathCanName_IsRight(string id) => Assert.Null(DocumentIds.Check(id));

    [Theory]
    [InlineData("", "empty")]
    [InlineData("   ", "empty")]
    [InlineData("a\nb", "control")]
    [InlineData("a\0b", "control")]
    [InlineData("a%2fb", "%2F")]
    [InlineData("a/../b", "'..'")]
    [InlineData("./a", "'.'")]
    public void Check_AnIdThatAPathCannotName_SaysWhy(string id, string reason) =>
        Assert.Contains(reason, DocumentIds.Check(id), StringComparison.Ordinal);

    [Fact]
    public void Check_OneCharacterTooMany_NamesTheLimit()
    {
        Assert.Null(DocumentIds.Check(new string('a', DocumentLimits.MaxIdLength)));
        Assert.Contains("512", DocumentIds.Check(new string('a', DocumentLimits.MaxIdLength + 1)), StringComparison.Ordinal);
    }
}
