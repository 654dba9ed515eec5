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
        Definition.Description);
}

/// <summary>A model at an endpoint.</summary>
/// <param name="provider">The endpoint's name.</param>
/// <param name="index">Its place among the endpoints of the model, from 0.</param>
/// <param name="generator">Calls it.</param>
/// <param name="options">Its limits.</param>
/// <param name="channel">The way to it, shared by all models of the endpoint.</param>
/// <param name="breaker">Keeps calls away while it fails; of this model alone.</param>
internal sealed class ModelEndpoint(
    string provider,
    int index,
    IEmbeddingGenerator<string, Embedding<float>> generator,
    ProviderOptions options,
    ProviderChannel channel,
    Breaker breaker)
{
    private volatile bool _impostor;
    private volatile bool _used;

    public string Provider { get; } = provider;

    public int Index { get; } = index;

    public IEmbeddingGenerator<string, Embedding<float>> Generator { get; } = generator;

    public ProviderOptions Options { get; } = options;

    public ProviderChannel Channel { get; } = channel;

    public Breaker Breaker { get; } = breaker;

    /// <summary>Whether it answered vectors of another model when it was asked for fixed texts: it is out of use until that changes.</summary>
    public bool Impostor
    {
        get => _impostor;
        set => _impostor = value;
    }

    /// <summary>Whether it was called since the start.</summary>
    public bool Used
    {
        get => _used;
        set => _used = value;
    }

    /// <summary>Whether it was compared with what it answered before.</summary>
    public bool Checked { get; set; }

    public bool Healthy => !Impostor && !Breaker.IsOpen;

    /// <summary>Whether a call would be tried.</summary>
    public bool CanTry => Healthy;
}
