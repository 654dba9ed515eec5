using System.Collections.Concurrent;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Providers.Hashing;
using RagPlatform.EmbeddingService.Providers.HuggingFace;
using RagPlatform.EmbeddingService.Providers.Local;
using RagPlatform.EmbeddingService.Providers.OpenAi;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>Makes models from settings.</summary>
internal sealed partial class ModelCatalog(
    ProviderHttp http, LocalModels locals, CacheConnection cache, IOptions<EmbeddingCacheOptions> cacheOptions, TimeProvider time,
    ILogger<ModelCatalog> logger)
{
    // An endpoint's limits hold for all of its models together, also across a change of the registry.
    private readonly ConcurrentDictionary<string, ProviderChannel> _channels = new(StringComparer.Ordinal);

    // What was learned of a model at an endpoint, too: by the endpoint, its name for the model, and the space.
    private readonly ConcurrentDictionary<(string Provider, string Model, string Space), EndpointState> _states = new();

    /// <summary>
    /// The model of a workspace that names none: the configured one, or <c>hashing</c> in place of a packaged model that cannot be computed on this machine.
    /// </summary>
    public string Default(EmbeddingOptions options) =>
        PackagedModels.All.TryGetValue(options.DefaultModel, out var package) && !(locals.CanCompute && package.IsInstalled)
            ? KnownModels.Hashing
            : options.DefaultModel;

    /// <summary>The models of <paramref name="options"/>: the known ones that an endpoint serves, and the configured ones.</summary>
    /// <exception cref="InvalidOperationException">A setting contradicts another; the message says which.</exception>
    public IReadOnlyList<ServedModel> Create(EmbeddingOptions options)
    {
        var models = new Dictionary<string, ServedModel>(StringComparer.Ordinal)
        {
            [KnownModels.Hashing] = new(KnownModels.HashingModel, [CreateEndpoint("hashing", 0, s_hashing, KnownModels.HashingModel, new HashingEmbeddingGenerator())]),
        };
        AddLocal(models, options);

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

        return models.ContainsKey(Default(options))
            ? [.. models.Values]
            : throw new InvalidOperationException(
                $"The default model '{options.DefaultModel}' is not among those that are configured: {string.Join(", ", models.Keys)}.");
    }

    private static readonly ProviderOptions s_hashing = new() { RequestsPerMinute = 0, MaxInFlight = 64, MaxWaiting = 10_000, MaxBatch = 256, MaxAttempts = 1 };

    // Small batches: what follows a batch (checks, copies into the caches) goes on while the next one is computed, and a cancelled one ends soon.
    private static readonly ProviderOptions s_local = new()
    {
        RequestsPerMinute = 0, MaxInFlight = 64, MaxWaiting = 10_000, MaxBatch = 32, MaxAttempts = 1, Timeout = TimeSpan.FromMinutes(2),
    };

    /// <summary>The models that are computed in this process: packaged ones where they can be, and configured folders.</summary>
    private void AddLocal(Dictionary<string, ServedModel> models, EmbeddingOptions options)
    {
        if (locals.CanCompute)
        {
            foreach (var (name, package) in PackagedModels.All.Where(pair => pair.Value.IsInstalled))
            {
                models[name] = Serve(KnownModels.Find(name)!, package);
            }
        }

        foreach (var model in options.Models.Where(model => model.Folder is not null))
        {
            try
            {
                models[model.Name] = Serve(OpenFolder(model, out var folder), folder);
            }
            catch (ModelFolderException e)
            {
                // A folder that is broken stops nothing but its own model.
                LogUnusable(model.Name, e.Message);
            }
        }

        ServedModel Serve(ModelDefinition definition, ModelSource source) =>
            new(definition, [CreateEndpoint(LocalEmbeddingGenerator.ProviderName, 0, s_local, definition, new LocalEmbeddingGenerator(locals.Get(definition.Name, source)))]);
    }

    private ModelDefinition OpenFolder(ModelOptions model, out ModelFolder folder)
    {
        if (model.Providers.Count > 0 || PackagedModels.All.ContainsKey(model.Name) || model.Name == KnownModels.Hashing)
        {
            throw new ModelFolderException("A model with a Folder takes no Providers, and must not have the name of a built-in model.");
        }

        if (locals.Reason is { } reason)
        {
            throw new ModelFolderException(reason);
        }

        folder = ModelFolder.Open(model.Folder!, model.Int8);
        var settings = folder.Settings;
        return model.Dimensions is { } dimensions && dimensions != settings.Dimensions
            ? throw new ModelFolderException($"It has {settings.Dimensions} dimensions by its folder, and {dimensions} by the configuration.")
            : Define(model, KnownModels.FromFiles(model.Name, "local", settings, $"In process, from a folder; reads {settings.MaxTokens} tokens of a text."));
    }

    private static IEnumerable<(ModelDefinition Definition, ModelOptions? Options)> Definitions(EmbeddingOptions options)
    {
        foreach (var model in options.Models.Where(model => model.Folder is null))
        {
            yield return (Define(model), model);
        }

        foreach (var known in KnownModels.All.Where(known => known.Type is not (null or ProviderType.Local) && options.Models.All(model => model.Name != known.Name)))
        {
            yield return (known, null);
        }
    }

    private static ModelDefinition Define(ModelOptions model)
    {
        var known = KnownModels.Find(model.Name);
        if (known is { Type: null or ProviderType.Local })
        {
            throw new InvalidOperationException($"The model '{model.Name}' is built in and takes no settings.");
        }

        var dimensions = model.Dimensions ?? known?.Space.Dimensions
            ?? throw new InvalidOperationException($"The model '{model.Name}' is not a known one: its Dimensions must be set.");
        return Define(model, known ?? new ModelDefinition(model.Name, "custom", new(model.Name, "", dimensions), 0m, ""));
    }

    private static ModelDefinition Define(ModelOptions model, ModelDefinition definition) =>
        definition with
        {
            ProviderModel = model.ProviderModel ?? definition.ProviderModel,
            PricePerMillionTokens = model.PricePerMillionTokens ?? definition.PricePerMillionTokens,
            Description = model.Description ?? definition.Description,
            AcceptsDimensions = model.AcceptsDimensions ?? definition.AcceptsDimensions,
            Space = definition.Space with
            {
                Dimensions = model.Dimensions ?? definition.Space.Dimensions,
                Revision = model.Revision ?? definition.Space.Revision,
                Normalized = model.Normalized ?? definition.Space.Normalized,
                QueryPrompt = model.QueryPrompt ?? definition.Space.QueryPrompt,
                DocumentPrompt = model.DocumentPrompt ?? definition.Space.DocumentPrompt,
                MaxTokens = model.MaxTokens ?? definition.Space.MaxTokens,
            },
        };

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
        limits == s_local || limits == s_hashing ? null : new SharedRateLimiter(name, limits.RequestsPerMinute, limits.TokensPerMinute, cacheOptions.Value.KeyPrefix, cache, time),
        time);

    [LoggerMessage(1, LogLevel.Error, "The model {Model} cannot be used: {Reason}")]
    private partial void LogUnusable(string model, string reason);
}
