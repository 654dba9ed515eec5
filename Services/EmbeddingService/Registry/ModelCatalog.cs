using System.Collections.Concurrent;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Providers.Hashing;
using RagPlatform.EmbeddingService.Providers.HuggingFace;
using RagPlatform.EmbeddingService.Providers.OpenAi;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>Makes models from settings.</summary>
internal sealed class ModelCatalog(
    ProviderHttp http, CacheConnection cache, IOptions<EmbeddingCacheOptions> cacheOptions, TimeProvider time)
{
    // An endpoint's limits hold for all of its models together, also across a change of the registry.
    private readonly ConcurrentDictionary<string, ProviderChannel> _channels = new(StringComparer.Ordinal);

    // What was learned of a model at an endpoint, too: by the endpoint, its name for the model, and the space.
    private readonly ConcurrentDictionary<(string Provider, string Model, string Space), EndpointState> _states = new();

    /// <summary>The models of <paramref name="options"/>: the known ones that an endpoint serves, and the configured ones.</summary>
    /// <exception cref="InvalidOperationException">A setting contradicts another; the message says which.</exception>
    public IReadOnlyList<ServedModel> Create(EmbeddingOptions options)
    {
        var models = new Dictionary<string, ServedModel>(StringComparer.Ordinal)
        {
            [KnownModels.Hashing] = new(KnownModels.HashingModel, [CreateEndpoint("local", 0, s_local, KnownModels.HashingModel, new HashingEmbeddingGenerator())]),
        };

        foreach (var model in Definitions(options))
        {
            var endpoints = EndpointNames(options, model.Definition, model.Options)
                .Select((name, i) => CreateEndpoint(name, i, options.Providers[name], model.Definition, CreateGenerator(name, options.Providers[name], model.Definition)))
                .ToList();
            if (endpoints.Count > 0)
            {
                models[model.Definition.Name] = new ServedModel(model.Definition, endpoints);
            }
            else if (model.Options is not null)
            {
                throw new InvalidOperationException(
                    $"No endpoint serves the model '{model.Definition.Name}': name one in Embedding:Models:…:Providers, and configure it in Embedding:Providers.");
            }
        }

        return models.ContainsKey(options.DefaultModel)
            ? [.. models.Values]
            : throw new InvalidOperationException(
                $"The default model '{options.DefaultModel}' is not among those that are configured: {string.Join(", ", models.Keys)}.");
    }

    private static readonly ProviderOptions s_local = new() { RequestsPerMinute = 0, MaxInFlight = 64, MaxWaiting = 10_000, MaxBatch = 256, MaxAttempts = 1 };

    private static IEnumerable<(ModelDefinition Definition, ModelOptions? Options)> Definitions(EmbeddingOptions options)
    {
        foreach (var model in options.Models)
        {
            yield return (Define(model), model);
        }

        foreach (var known in KnownModels.All.Where(known => known.Type is not null && options.Models.All(model => model.Name != known.Name)))
        {
            yield return (known, null);
        }
    }

    private static ModelDefinition Define(ModelOptions model)
    {
        var known = KnownModels.Find(model.Name);
        if (known is { Local: true })
        {
            throw new InvalidOperationException($"The model '{model.Name}' is built in and takes no settings.");
        }

        var dimensions = model.Dimensions ?? known?.Space.Dimensions
            ?? throw new InvalidOperationException($"The model '{model.Name}' is not a known one: its Dimensions must be set.");
        var definition = known ?? new ModelDefinition(model.Name, "custom", new(model.Name, "", dimensions), 0m, "");
        return definition with
        {
            ProviderModel = model.ProviderModel ?? definition.ProviderModel,
            PricePerMillionTokens = model.PricePerMillionTokens ?? definition.PricePerMillionTokens,
            Description = model.Description ?? definition.Description,
            AcceptsDimensions = model.AcceptsDimensions ?? definition.AcceptsDimensions,
            Space = definition.Space with
            {
                Dimensions = dimensions,
                Revision = model.Revision ?? definition.Space.Revision,
                Normalized = model.Normalized ?? definition.Space.Normalized,
                QueryPrompt = model.QueryPrompt ?? definition.Space.QueryPrompt,
                DocumentPrompt = model.DocumentPrompt ?? definition.Space.DocumentPrompt,
                MaxTokens = model.MaxTokens ?? definition.Space.MaxTokens,
            },
        };
    }

    private static IEnumerable<string> EndpointNames(EmbeddingOptions options, ModelDefinition definition, ModelOptions? model)
    {
        if (model is { Providers.Count: > 0 })
        {
            return model.Providers.Select(name => options.Providers.ContainsKey(name)
                ? name
                : throw new InvalidOperationException($"The model '{model.Name}' names the provider '{name}', which is not configured."));
        }

        return options.Providers
            .Where(pair => pair.Value.Models.Contains(definition.Name) || (pair.Value.Models.Count == 0 && pair.Value.Type == definition.Type))
            .Select(pair => pair.Key)
            .Order(StringComparer.Ordinal);
    }

    private IEmbeddingGenerator<string, Embedding<float>> CreateGenerator(string name, ProviderOptions provider, ModelDefinition definition) => provider.Type switch
    {
        ProviderType.OpenAi => new OpenAiEmbeddingGenerator(
            OpenAiEmbeddingGenerator.CreateClient(provider.BaseUrl, provider.ApiKey is { Length: > 0 } key ? key : "none", provider.Timeout, http),
            definition.ProviderModel,
            definition.AcceptsDimensions,
            time),
        ProviderType.HuggingFace => new HuggingFaceEmbeddingGenerator(http, provider.BaseUrl, provider.ApiKey, definition.ProviderModel, time),
        _ => throw new InvalidOperationException($"The provider '{name}' has a type that is not known."),
    };

    private ModelEndpoint CreateEndpoint(
        string name, int index, ProviderOptions provider, ModelDefinition definition, IEmbeddingGenerator<string, Embedding<float>> generator) => new(
        name,
        index,
        generator,
        provider,
        _channels.GetOrAdd(name, (key, limits) => CreateChannel(key, limits), provider),
        _states.GetOrAdd(
            (name, definition.ProviderModel, definition.Space.Id),
            _ => new EndpointState(new Breaker(failures: 5, TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(1), time), time.GetTimestamp())));

    private ProviderChannel CreateChannel(string name, ProviderOptions limits) => new(
        limits.MaxInFlight,
        limits.MaxWaiting,
        limits == s_local ? null : new SharedRateLimiter(name, limits.RequestsPerMinute, limits.TokensPerMinute, cacheOptions.Value.KeyPrefix, cache, time),
        time);
}
