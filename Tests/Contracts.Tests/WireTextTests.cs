namespace RagPlatform.Contracts.Tests;

public sealed class WireTextTests
{
    [Fact]
    public void Check_Nul_IsNamedWithItsPlace() =>
        Assert.Contains("character 2", WireText.Check("a\0"), StringComparison.Ordinal);

    // Not as InlineData: attributes are stored as UTF-8, which has no such characters.
    [Fact]
    public void Check_HalfOfAPair_IsNamedWithItsPlace()
    {
        Assert.Contains("character 1", WireText.Check("\ud83d"), StringComparison.Ordinal);
        Assert.Contains("character 3", WireText.Check("ab\udc00c"), StringComparison.Ordinal);
        Assert.Contains("character 3", WireText.Check("🙂\ud83dx"), StringComparison.Ordinal);
        Assert.Contains("surrogate", DocumentIds.Check("a\ud800"), StringComparison.Ordinal);
    }

    [Fact]
    public void Check_PairsOfSurrogates_AreRight() => Assert.Null(WireText.Check("🙂 and 🚀🚀 then text"));
}
