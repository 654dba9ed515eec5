using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary>Reads enough pages of a source to know what is on most of them.</summary>
internal static class FurnitureReader
{
    /// <summary>Reads up to <see cref="PageFurniture.MostPages"/> of <paramref name="files"/>, evenly spread.</summary>
    public static async Task<PageFurniture> ReadAsync(IEnumerable<SourceFile> files, CancellationToken cancellationToken)
    {
        var all = files.Where(file => file.Length <= DocumentLimits.MaxBodyBytes).ToArray();
        var step = Math.Max(1, (int)Math.Ceiling(all.Length / (double)PageFurniture.MostPages));
        var pages = new List<HtmlPage>();
        for (var i = 0; i < all.Length; i += step)
        {
            try
            {
                var content = await File.ReadAllBytesAsync(all[i].FullPath, cancellationToken);
                if (SourceText.TryDecode(content, SourceKind.Html, out var text, out _))
                {
                    pages.Add(HtmlText.Read(text));
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or InsufficientExecutionStackException)
            {
                // Its turn comes, and then it is refused with the reason.
            }
        }

        return PageFurniture.Learn(pages);
    }
}
