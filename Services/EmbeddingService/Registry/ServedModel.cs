using Microsoft.Extensions.AI;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Providers;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>A model with the endpoints that serve it.</summary>
/// <param name="definition">The model.</param>
/// <param name="endpoints">The endpoints, the preferred one first; all of them serve the same space.</param>
internal sealed class ServedModel(ModelDefinition definition, IReadOnlyList<ModelEndpoint> endpoints)
{
    public ModelDefinition Definition { get; } = definition;

    public IReadOnlyList<ModelEndpoint> Endpoints { get; } = endpoints;

    /// <summary>Whether a call would be tried now.</summary>
    public bool Healthy => Endpoints.Any(endpoint => endpoint.Healthy);

    /// <summary>The model as <c>/v1/models</c> shows it.</summary>
    public EmbeddingModel Describe(bool isDefault) => new(
        Definition.Name,
        Definition.OwnedBy,
        Definition.Space,
        Definition.Space.Id,
        isDefault,
        Definition.PricePerMillionTokens,
        Healthy,
        Definition.Description);
}

/// <summary>A model at an endpoint.</summary>
/// <param name="provider">The endpoint's name.</param>
/// <param name="generator">Calls it.</param>
/// <param name="options">Its limits.</param>
internal sealed class ModelEndpoint(string provider, IEmbeddingGenerator<string, Embedding<float>> generator, ProviderOptions options)
{
    public string Provider { get; } = provider;

    public IEmbeddingGenerator<string, Embedding<float>> Generator { get; } = generator;

    public ProviderOptions Options { get; } = options;

    public bool Healthy => true;
}
