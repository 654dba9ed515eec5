namespace RagPlatform.Cli.Ingest;

/// <summary>
/// What stands on most pages of a source, word for word: banners, notices, licences. It says nothing about any of them. Headings are kept,
/// because pages of one kind have the same ones.
/// </summary>
internal sealed class PageFurniture
{
    /// <summary>Nothing.</summary>
    public static readonly PageFurniture None = new([]);

    /// <summary>Pages that are looked at, at most, spread over the source.</summary>
    public const int MostPages = 100;

    private const int LeastPages = 5;
    private const double Share = 0.5;

    private readonly HashSet<string> _blocks;

    private PageFurniture(HashSet<string> blocks) => _blocks = blocks;

    /// <summary>Learns from pages of one source.</summary>
    public static PageFurniture Learn(IReadOnlyCollection<HtmlPage> pages)
    {
        if (pages.Count < LeastPages)
        {
            return None;
        }

        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var text in pages.SelectMany(page => page.Blocks.Where(block => !block.IsHeading && !block.Text.StartsWith("**", StringComparison.Ordinal)).Select(block => block.Text).Distinct(StringComparer.Ordinal)))
        {
            counts[text] = counts.GetValueOrDefault(text) + 1;
        }

        return new PageFurniture(counts.Where(entry => entry.Value >= pages.Count * Share).Select(entry => entry.Key).ToHashSet(StringComparer.Ordinal));
    }

    /// <summary>The page without it.</summary>
    public HtmlPage Remove(HtmlPage page)
    {
        var kept = page.Blocks.Where(block => block.IsHeading || !_blocks.Contains(block.Text)).ToArray();
        return kept.Length == page.Blocks.Count ? page : page with { Blocks = kept, LeftOut = page.LeftOut + page.Blocks.Count - kept.Length };
    }
}
