using System.Collections.Concurrent;
using System.Collections.Frozen;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>The models that can be asked for now. The whole is replaced when it changes; a request sees one state of it.</summary>
internal sealed class ModelRegistry
{
    private readonly ConcurrentDictionary<(ServedModel Model, int Dimensions), ModelSpace> _spaces = new();
    private volatile State _state;

    public ModelRegistry(IEnumerable<ServedModel> models, string defaultModel) => _state = new State(models, defaultModel);

    /// <summary>The model of a workspace that names none.</summary>
    public string DefaultModel => _state.Default;

    /// <summary>Every model, by name.</summary>
    public IReadOnlyList<ServedModel> Models => _state.List;

    /// <summary>Replaces the models.</summary>
    /// <exception cref="ArgumentException">Two have the same name.</exception>
    public void Replace(IEnumerable<ServedModel> models, string defaultModel)
    {
        _state = new State(models, defaultModel);
        _spaces.Clear();
    }

    /// <summary>The model of a name, or null.</summary>
    public ServedModel? Find(string name) => _state.ByName.GetValueOrDefault(name);

    /// <summary>The space that a request means.</summary>
    /// <param name="name">The model's name.</param>
    /// <param name="dimensions">The wanted dimensions; null for the model's own.</param>
    /// <exception cref="GatewayException">There is no such model, or it has no such dimensions.</exception>
    public ModelSpace Resolve(string name, int? dimensions)
    {
        var model = Find(name) ?? throw GatewayException.UnknownModel(name);
        var own = model.Definition.Space.Dimensions;
        var wanted = dimensions ?? own;
        if (wanted > own || (wanted != own && !model.Definition.AcceptsDimensions))
        {
            throw GatewayException.Invalid(
                model.Definition.AcceptsDimensions
                    ? $"The model '{name}' has at most {own} dimensions."
                    : $"The model '{name}' has {own} dimensions and no others.",
                "dimensions");
        }

        return _spaces.GetOrAdd((model, wanted), static key => new ModelSpace(key.Model, key.Model.Definition.Space with { Dimensions = key.Dimensions }));
    }

    private sealed class State(IEnumerable<ServedModel> models, string defaultModel)
    {
        public List<ServedModel> List { get; } = [.. models];

        public FrozenDictionary<string, ServedModel> ByName { get; } =
            models.ToDictionary(model => model.Definition.Name, StringComparer.Ordinal).ToFrozenDictionary(StringComparer.Ordinal);

        public string Default { get; } = defaultModel;
    }
}

/// <summary>A model at certain dimensions: what a request is answered from.</summary>
/// <param name="model">The model.</param>
/// <param name="space">The space of the vectors.</param>
internal sealed class ModelSpace(ServedModel model, EmbeddingSpace space)
{
    public ServedModel Model { get; } = model;

    public EmbeddingSpace Space { get; } = space;

    /// <summary><see cref="EmbeddingSpace.Id"/>, computed once.</summary>
    public string Id { get; } = space.Id;

    /// <summary>What the provider gets before the text.</summary>
    public string Prompt(EmbeddingInput input) => input == EmbeddingInput.Query ? Space.QueryPrompt : Space.DocumentPrompt;
}
