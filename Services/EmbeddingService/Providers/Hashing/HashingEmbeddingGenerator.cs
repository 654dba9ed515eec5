using Microsoft.Extensions.AI;

namespace RagPlatform.EmbeddingService.Providers.Hashing;

/// <summary>
/// The built-in provider: needs no key, no download and no network. Lexical, not semantic, see <see cref="HashingEmbedding"/>. Queries and
/// documents are embedded alike. Usage is reported in words.
/// </summary>
internal sealed class HashingEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    public const string ProviderName = "hashing";
    public const string ModelName = "hashing";

    private readonly EmbeddingGeneratorMetadata _metadata;
    private readonly int _dimensions;

    /// <param name="dimensions">The dimensions of a vector when a request does not say, 64 to 4,096. The default is 384.</param>
    /// <exception cref="ArgumentOutOfRangeException">The dimensions are outside their range.</exception>
    public HashingEmbeddingGenerator(int dimensions = HashingEmbedding.DefaultDimensions)
    {
        CheckDimensions(dimensions);
        _dimensions = dimensions;
        _metadata = new EmbeddingGeneratorMetadata(ProviderName, defaultModelId: ModelName, defaultModelDimensions: dimensions);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException"><see cref="EmbeddingGenerationOptions.Dimensions"/> is not 64 to 4,096.</exception>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        var dimensions = options?.Dimensions ?? _dimensions;
        CheckDimensions(dimensions);

        var embeddings = new GeneratedEmbeddings<Embedding<float>>();
        var words = 0L;
        foreach (var text in values)
        {
            if (cancellationToken.IsCancellationRequested)
            {
                return Task.FromCanceled<GeneratedEmbeddings<Embedding<float>>>(cancellationToken);
            }

            var vector = new float[dimensions];
            words += HashingEmbedding.Embed(text, vector);
            embeddings.Add(new Embedding<float>(vector) { ModelId = ModelName });
        }

        embeddings.Usage = new UsageDetails { InputTokenCount = words, TotalTokenCount = words };
        return Task.FromResult(embeddings);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
        {
            return null;
        }

        return serviceType == typeof(EmbeddingGeneratorMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Holds nothing: memory is rented per text.
    }

    private static void CheckDimensions(int dimensions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dimensions, HashingEmbedding.MinDimensions);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dimensions, HashingEmbedding.MaxDimensions);
    }
}
