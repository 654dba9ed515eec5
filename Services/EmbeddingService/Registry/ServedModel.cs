using Microsoft.Extensions.AI;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Limits;

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
        Definition.Description)
    {
        Created = Definition.Created,
    };
}

/// <summary>A model at an endpoint.</summary>
/// <param name="provider">The endpoint's name.</param>
/// <param name="index">Its place among the endpoints of the model, from 0.</param>
/// <param name="generator">Calls it.</param>
/// <param name="options">Its limits.</param>
/// <param name="channel">The way to it, shared by all models of the endpoint.</param>
/// <param name="state">What was learned of it; of this model alone.</param>
internal sealed class ModelEndpoint(
    string provider,
    int index,
    IEmbeddingGenerator<string, Embedding<float>> generator,
    ProviderOptions options,
    ProviderChannel channel,
    EndpointState state)
{
    public string Provider { get; } = provider;

    public int Index { get; } = index;

    public IEmbeddingGenerator<string, Embedding<float>> Generator { get; } = generator;

    public ProviderOptions Options { get; } = options;

    public ProviderChannel Channel { get; } = channel;

    /// <summary>What was learned of it: the same after a change of the registry.</summary>
    public EndpointState State { get; } = state;

    public Breaker Breaker => State.Breaker;

    public bool Healthy => !State.Impostor && !Breaker.IsOpen;

    /// <summary>Whether a call would be tried.</summary>
    public bool CanTry => Healthy;
}
