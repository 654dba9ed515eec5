using System.Text;
using Markdig;
using Markdig.Extensions.Yaml;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace RagPlatform.Cli.Ingest;

/// <summary>Reads Markdown.</summary>
internal static class MarkdownText
{
    private static readonly MarkdownPipeline s_pipeline = new MarkdownPipelineBuilder().UseYamlFrontMatter().Build();

    /// <summary>The title (front matter's <c>title:</c>, else the first heading, else empty) and the text without front matter.</summary>
    public static (string Title, string Text) Read(string markdown)
    {
        var document = Markdown.Parse(markdown, s_pipeline);
        var frontMatter = document.OfType<YamlFrontMatterBlock>().FirstOrDefault();
        var text = frontMatter is null ? markdown : markdown[Math.Min(frontMatter.Span.End + 1, markdown.Length)..].TrimStart('\r', '\n');
        var title = frontMatter is null ? "" : FrontMatterTitle(frontMatter);
        return (title.Length > 0 ? title : HeadingTitle(document), text);
    }

    private static string FrontMatterTitle(YamlFrontMatterBlock block)
    {
        foreach (var line in block.Lines.Lines.Take(block.Lines.Count))
        {
            var entry = line.ToString();
            if (entry.StartsWith("title:", StringComparison.OrdinalIgnoreCase))
            {
                return entry["title:".Length..].Trim().Trim('"', '\'').Trim();
            }
        }

        return "";
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
