using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers.Hashing;
using RagPlatform.EmbeddingService.Providers.Local;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>A model, wherever it is served.</summary>
/// <param name="Name">The name to pass as <c>model</c>.</param>
/// <param name="OwnedBy">Who made it, or serves it.</param>
/// <param name="Space">The space of its vectors at its own dimensions.</param>
/// <param name="PricePerMillionTokens">In US dollars.</param>
/// <param name="Description">What to know about it, in a sentence.</param>
internal sealed record ModelDefinition(string Name, string OwnedBy, EmbeddingSpace Space, decimal PricePerMillionTokens, string Description)
{
    /// <summary>Its name at the provider.</summary>
    public string ProviderModel { get; init; } = Name;

    /// <summary>Whether a request may ask for other dimensions, up to the model's own.</summary>
    public bool AcceptsDimensions { get; init; }

    /// <summary>The encoding by which its provider counts tokens.</summary>
    public TokenEncoding Encoding { get; init; }

    /// <summary>Tokens of a text that its provider takes; 0 when it is not known, or when it truncates longer ones.</summary>
    public int MaxInputTokens { get; init; }

    /// <summary>When it was made, in seconds since 1970, as <c>/v1/models</c> says it.</summary>
    public long Created { get; init; } = 1735689600;

    /// <summary>Whether computing a vector takes less than looking for it elsewhere: nothing is shared with replicas or stored to save its cost.</summary>
    public bool Cheap { get; init; }

    /// <summary>The type of endpoint that serves it by default; null for local models.</summary>
    public ProviderType? Type { get; init; }

    /// <summary>Whether it is computed in this process.</summary>
    public bool InProcess => Cheap || Type == ProviderType.Local;

    /// <summary>What a number of tokens costs, in millionths of a US dollar, rounded up.</summary>
    public long Cost(long tokens) => (long)Math.Ceiling(tokens * PricePerMillionTokens);
}

/// <summary>The models that need no settings. Prices are list prices of their providers and can be overridden.</summary>
internal static class KnownModels
{
    private const int OpenAiMaxInput = 8192;

    public const string Hashing = HashingEmbeddingGenerator.ModelName;

    /// <summary>The model of a new installation: semantic, in process, without a key or a download.</summary>
    public const string DefaultLocal = PackagedModels.MiniLm;

    public static ModelDefinition HashingModel { get; } = new(
        Hashing,
        "rag-platform",
        new EmbeddingSpace(Hashing, $"{HashingEmbedding.Revision}", HashingEmbedding.DefaultDimensions, Lexical: true),
        0m,
        "Built in, free, without download. Lexical, not semantic: it compares words and parts of words, so synonyms do not match.")
    {
        AcceptsDimensions = false,
        Cheap = true,
    };

    public static IReadOnlyList<ModelDefinition> All { get; } =
    [
        HashingModel,
        Packaged(PackagedModels.MiniLm, "sentence-transformers", "In process, free, without download. Semantic, English; reads windows of 256 tokens."),
        Packaged(PackagedModels.Arctic, "snowflake", "In process, free, without download. Semantic, English, has a prompt for queries; reads windows of 512 tokens."),
        new("text-embedding-3-large", "openai", new EmbeddingSpace("text-embedding-3-large", "", 3072), 0.13m, "OpenAI's most accurate; takes fewer dimensions on request.")
        {
            AcceptsDimensions = true,
            Encoding = TokenEncoding.Cl100k,
            MaxInputTokens = OpenAiMaxInput,
            Created = 1705953180,
            Type = ProviderType.OpenAi,
        },
        new("text-embedding-3-small", "openai", new EmbeddingSpace("text-embedding-3-small", "", 1536), 0.02m, "OpenAI's cheapest; takes fewer dimensions on request.")
        {
            AcceptsDimensions = true,
            Encoding = TokenEncoding.Cl100k,
            MaxInputTokens = OpenAiMaxInput,
            Created = 1705948997,
            Type = ProviderType.OpenAi,
        },
        new("text-embedding-ada-002", "openai", new EmbeddingSpace("text-embedding-ada-002", "", 1536), 0.10m, "OpenAI's previous generation, for existing vectors.")
        {
            Encoding = TokenEncoding.Cl100k,
            MaxInputTokens = OpenAiMaxInput,
            Created = 1671217299,
            Type = ProviderType.OpenAi,
        },
        new(
            "sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers",
            new EmbeddingSpace("sentence-transformers/all-MiniLM-L6-v2", "", 384, MaxTokens: 256), 0m,
            "Small and fast, English; texts are truncated after 256 tokens.")
        {
            Type = ProviderType.HuggingFace,
        },
        new(
            "sentence-transformers/all-mpnet-base-v2", "sentence-transformers",
            new EmbeddingSpace("sentence-transformers/all-mpnet-base-v2", "", 768, MaxTokens: 384), 0m,
            "More accurate than MiniLM, English; texts are truncated after 384 tokens.")
        {
            Type = ProviderType.HuggingFace,
        },
    ];

    /// <summary>The model that a folder or package holds.</summary>
    public static ModelDefinition FromFiles(string name, string ownedBy, LocalModelSettings settings, string description) => new(
        name,
        ownedBy,
        new EmbeddingSpace(
            name, settings.Revision, settings.Dimensions, settings.Normalized, settings.QueryPrompt, settings.DocumentPrompt, settings.MaxTokens),
        0m,
        description)
    {
        Type = ProviderType.Local,
    };

    private static ModelDefinition Packaged(string name, string ownedBy, string description) =>
        FromFiles(name, ownedBy, PackagedModels.All[name].Settings, description);

    public static ModelDefinition? Find(string name) => All.FirstOrDefault(model => model.Name == name);
}
