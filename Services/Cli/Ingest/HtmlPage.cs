namespace RagPlatform.Cli.Ingest;

/// <summary>A block of a page's text: a heading, a paragraph, an item, a table, code.</summary>
/// <param name="Text">Its text, in Markdown.</param>
/// <param name="Series">Blocks of one series, such as the items of a list, stand on lines of their own; others have a blank line between.</param>
/// <param name="IsHeading">Whether it is a heading.</param>
internal sealed record TextBlock(string Text, string? Series = null, bool IsHeading = false);

/// <summary>A page as a reader sees it.</summary>
/// <param name="Title">Its title; empty if it has none.</param>
/// <param name="Blocks">Its text.</param>
/// <param name="LeftOut">Pieces that are no content: navigation, tables of contents, indexes, what surrounds the main part.</param>
internal sealed record HtmlPage(string Title, IReadOnlyList<TextBlock> Blocks, int LeftOut)
{
    /// <summary>Whether nothing but links was there: a table of contents, or an index.</summary>
    public bool IsLinksOnly => LeftOut > 0 && Blocks.All(block => block.IsHeading);

    /// <summary>The text in Markdown.</summary>
    public string Text()
    {
        var text = new System.Text.StringBuilder();
        for (var i = 0; i < Blocks.Count; i++)
        {
            if (i > 0)
            {
                text.Append(Blocks[i].Series is { } series && series == Blocks[i - 1].Series ? "\n" : "\n\n");
            }

            text.Append(Blocks[i].Text);
        }

        return text.ToString();
    }
}
