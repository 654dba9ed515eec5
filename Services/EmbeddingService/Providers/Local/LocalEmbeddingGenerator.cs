using Microsoft.Extensions.AI;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>A transformer in this process, as a generator.</summary>
/// <param name="model">The model; it outlives the generator.</param>
internal sealed class LocalEmbeddingGenerator(LocalModel model) : IEmbeddingGenerator<string, Embedding<float>>
{
    public const string ProviderName = "local";

    /// <summary>In <see cref="EmbeddingGenerationOptions.AdditionalProperties"/>: true when a person waits, so that the texts go before bulk.</summary>
    public const string InteractiveProperty = "interactive";

    /// <summary>In an embedding's additional properties: the tokens of its text, also those that did not fit into the model's window.</summary>
    public const string TokensProperty = "tokens";

    // The passages of an edit: they do not wait behind what a load has in the queue, whoever sent them.
    private const int FewTexts = 4;

    private readonly EmbeddingGeneratorMetadata _metadata = new(ProviderName, null, model.Settings.Name, model.Settings.Dimensions);

    /// <summary>What computes.</summary>
    public LocalModel Model { get; } = model;

    /// <inheritdoc/>
    /// <exception cref="ProviderException">The model cannot be loaded or computed; the message says why.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        var interactive = options?.AdditionalProperties?.TryGetValue(InteractiveProperty, out var waits) == true && waits is true;
        LocalVector[] vectors;
        try
        {
            string[] texts = [.. values];
            vectors = await Model.EmbedAsync(texts, interactive || texts.Length <= FewTexts, cancellationToken);
        }
        catch (ModelFolderException e)
        {
            throw new ProviderException(ProviderFailure.Transient, e.Message, e);
        }

        var tokens = vectors.Sum(vector => (long)vector.Tokens + vector.Lost);
        var embeddings = new GeneratedEmbeddings<Embedding<float>>(vectors.Select(Embedding))
        {
            Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens },
        };
        return embeddings;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is not null ? null
        : serviceType == typeof(EmbeddingGeneratorMetadata) ? _metadata
        : serviceType.IsInstanceOfType(this) ? this
        : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        // The model belongs to all generators of its name.
    }

    private Embedding<float> Embedding(LocalVector vector) => new(vector.Vector)
    {
        ModelId = Model.Settings.Name,
        AdditionalProperties = new() { [TokensProperty] = vector.Tokens + vector.Lost },
    };
}
