using RagPlatform.Cli.Searching;

namespace RagPlatform.Cli.Tests.Searching;

public sealed class TermHighlighterTests
{
    [Theory]
    [InlineData("indexing", "The index of indexes, indexed.", "index,indexes,indexed")]
    [InlineData("WING", "A wing and wings, a winged owing", "wing,wings,winged")]
    [InlineData("what is the queue", "What the queue is", "queue")]
    [InlineData("who is", "Who is it", "Who,is")]
    [InlineData("größe", "Die Größen sind groß", "Größen")]
    public void Find_Query_FindsItsWords(string query, string text, string expected) =>
        Assert.Equal(expected, string.Join(',', new TermHighlighter(query).Find(text).Select(range => text[range])));

    [Fact]
    public void Snippet_LongText_HoldsTheMatches()
    {
        var text = string.Join(' ', Enumerable.Repeat("padding", 100)) + " the rollback\nkeeps writes " + string.Join(' ', Enumerable.Repeat("more", 100));
        var snippet = new TermHighlighter("rollback writes").Snippet(text, 120);

        Assert.Contains("the rollback keeps writes", snippet);
        Assert.StartsWith("… ", snippet);
        Assert.EndsWith(" …", snippet);
        Assert.InRange(snippet.Length, 60, 124);
    }

    [Fact]
    public void Snippet_ShortText_IsTheTextOnOneLine() =>
        Assert.Equal("one two", new TermHighlighter("x").Snippet("one\n\n two ", 50));

    [Fact]
    public void Snippet_LongTextWithoutMatchOrSpace_IsCut() =>
        Assert.Equal(new string('a', 50) + " …", new TermHighlighter("x").Snippet(new string('a', 200), 50));
}
