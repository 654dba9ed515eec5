using System.Text;
using Markdig;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace RagPlatform.Cli.Ingest;

/// <summary>Reads Markdown.</summary>
internal static class MarkdownText
{
    private static readonly MarkdownPipeline s_pipeline = new MarkdownPipelineBuilder().Build();

    /// <summary>
    /// The title (front matter's <c>title:</c>, else the first heading, else empty), the text without front matter, and what front matter says.
    /// </summary>
    public static (string Title, string Text, FrontMatter FrontMatter) Read(string markdown)
    {
        var front = FrontMatter.Read(markdown);
        var text = front.Length == 0 ? markdown : markdown[front.Length..].TrimStart('\r', '\n');
        return (front.Title.Length > 0 ? front.Title : HeadingTitle(Markdown.Parse(text, s_pipeline)), text, front);
    }

    private static string HeadingTitle(MarkdownDocument document)
    {
        var title = new StringBuilder();
        foreach (var inline in document.Descendants<HeadingBlock>().FirstOrDefault()?.Inline?.Descendants() ?? [])
        {
            _ = inline switch
            {
                LiteralInline literal => title.Append(literal.Content.AsSpan()),
                CodeInline code => title.Append(code.Content),
                HtmlEntityInline entity => title.Append(entity.Transcoded.AsSpan()),
                LineBreakInline => title.Append(' '),
                _ => title,
            };
        }

        return title.ToString().Trim();
    }
}
