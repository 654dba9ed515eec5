using Microsoft.ML.Tokenizers;
using RagPlatform.EmbeddingService.Limits;

namespace RagPlatform.EmbeddingService.Tests.Limits;

public sealed class Cl100kTests
{
    private static readonly TiktokenTokenizer s_tokenizer = TiktokenTokenizer.CreateForEncoding("cl100k_base");

    private static readonly string[] s_words =
    [
        "the", "quick", "don't", "naïve", "12345", "Straße", "日本語", "x=y;", "\n\n", "  ", "\t", "🚀", "e\u0301", "https://example.org/a?b=c", "...", "I'm", "—", "(a)",
    ];

    [Fact]
    public void Count_LongTexts_IsThatOfTheWholeText()
    {
        var random = new Random(7);
        for (var i = 0; i < 60; i++)
        {
            var text = string.Join(random.Next(3) == 0 ? "" : " ", Enumerable.Range(0, random.Next(1, 1_500)).Select(_ => s_words[random.Next(s_words.Length)]));

            Assert.Equal(Math.Max(1, s_tokenizer.CountTokens(text)), Cl100k.Count(text));
        }
    }

    [Theory]
    [InlineData('a')]
    [InlineData(' ')]
    [InlineData('語')]
    [InlineData('=')]
    public void Count_RunWithoutEnd_IsNearlyThatOfTheWholeText(char c)
    {
        var text = new string(c, 3_500);

        Assert.InRange(Cl100k.Count(text) - s_tokenizer.CountTokens(text), 0, 4);
    }

    [Fact]
    public void Cut_LongText_KeepsAsManyTokensAsMayBe()
    {
        var text = string.Concat(Enumerable.Range(0, 3_000).Select(i => $" word{i}"));
        var all = Cl100k.Count(text);
        foreach (var most in new[] { 1, 17, 999, 2_500, all - 1 })
        {
            var (end, start) = (Cl100k.CutEnd(text, most), Cl100k.CutStart(text, most));

            Assert.StartsWith(end, text, StringComparison.Ordinal);
            Assert.EndsWith(start, text, StringComparison.Ordinal);
            Assert.InRange(Cl100k.Count(end), most - 2, most);
            Assert.InRange(Cl100k.Count(start), Math.Max(1, most - 2), most);
        }

        Assert.Equal(text, Cl100k.CutEnd(text, all));
        Assert.Equal(text, Cl100k.CutStart(text, all));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(100_255, true)]
    [InlineData(100_256, false)]
    [InlineData(100_257, true)]
    [InlineData(100_300, false)]
    [InlineData(-1, false)]
    public void Has_Token_OnlyThoseOfTheEncoding(int token, bool known) => Assert.Equal(known, Cl100k.Has(token));
}
