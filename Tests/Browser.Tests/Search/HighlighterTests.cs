using RagPlatform.Dashboard.Search;

namespace RagPlatform.Browser.Tests.Search;

public sealed class HighlighterTests
{
    [Theory]
    [InlineData("index", "Indexing starts; an index, no Indiana.", "Indexing|index")]
    [InlineData("documents", "Each document is Documented.", "document|Documented")]
    [InlineData("how is the cat", "The cat is how it is.", "cat")]
    [InlineData("größe", "Die Größe zählt.", "Größe")]
    [InlineData("???", "Nothing to mark.", "")]
    public void Mark_Query_MarksItsWordsAndTheirForms(string query, string text, string expected)
    {
        var pieces = new Highlighter(query).Mark(text);

        Assert.Equal(expected, string.Join('|', pieces.Where(piece => piece.Marked).Select(piece => piece.Text)));
        Assert.Equal(text, string.Concat(pieces.Select(piece => piece.Text)));
    }

    [Fact]
    public void Excerpt_LongText_IsTheStretchWithTheWords()
    {
        var text = string.Concat(Enumerable.Repeat("nothing of interest here. ", 80)) + "The needle is here. "
            + string.Concat(Enumerable.Repeat("nothing of interest here. ", 80));

        var excerpt = new Highlighter("needle").Excerpt(text);

        Assert.Contains("needle", excerpt, StringComparison.Ordinal);
        Assert.StartsWith("… ", excerpt, StringComparison.Ordinal);
        Assert.EndsWith(" …", excerpt, StringComparison.Ordinal);
        Assert.InRange(excerpt.Length, 200, 420);
    }

    [Fact]
    public void Excerpt_ShortText_IsTheText() => Assert.Equal("Short.", new Highlighter("needle").Excerpt("Short."));
}
