namespace RagPlatform.Cli.Ingest;

/// <summary>A document that the workspace has.</summary>
/// <param name="Revision">Its revision.</param>
/// <param name="Source">Where it came from, by <see cref="SourceIdentity"/>; empty when nobody said.</param>
internal readonly record struct StoredDocument(long Revision, string Source);

/// <summary>Documents of a source that the source has no longer.</summary>
/// <param name="Source">The source, as a person knows it.</param>
/// <param name="Stored">How many documents of it the workspace has.</param>
/// <param name="Ids">Those that are gone.</param>
internal sealed record MissingDocuments(string Source, int Stored, IReadOnlyList<string> Ids)
{
    /// <summary>Whether so many are gone that the wrong folder may have been given: all of them, or more than half.</summary>
    public bool IsLarge => Ids.Count == Stored || Ids.Count > Stored / 2;

    /// <summary>Compares what the workspace has of each source with what was seen of it.</summary>
    /// <param name="scan">What was given.</param>
    /// <param name="identity">What tells sources apart.</param>
    /// <param name="stored">What the workspace had before.</param>
    /// <param name="seen">Ids of all documents that are there.</param>
    /// <exception cref="CliException">Not all of a source was seen, so nothing may be called missing.</exception>
    public static IReadOnlyList<MissingDocuments> Find(
        SourceScan scan, SourceIdentity identity, IReadOnlyDictionary<string, StoredDocument> stored, Func<string, bool> seen)
    {
        if (scan.Unreadable.Count > 0)
        {
            throw new CliException("nothing was deleted, because not everything could be read.");
        }

        var missing = new List<MissingDocuments>();
        foreach (var source in scan.Roots.GroupBy(identity.Of))
        {
            // One file says nothing about its neighbours.
            if (source.All(root => root.IsWhole))
            {
                var documents = stored.Where(document => document.Value.Source == source.Key).Select(document => document.Key).ToArray();
                string[] gone = [.. documents.Where(id => !seen(id)).Order(StringComparer.Ordinal)];
                if (gone.Length > 0)
                {
                    missing.Add(new MissingDocuments(string.Join(", ", source.Select(root => root.Path)), documents.Length, gone));
                }
            }
        }

        return missing;
    }
}
