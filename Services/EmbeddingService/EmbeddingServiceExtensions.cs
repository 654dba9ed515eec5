using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Microsoft.FeatureManagement;
using RagPlatform.EmbeddingService.Budgets;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Operations;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Providers.Local;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService;

/// <summary>Registers what the service is made of.</summary>
internal static partial class EmbeddingServiceExtensions
{
    public static WebApplicationBuilder AddEmbedding(this WebApplicationBuilder builder)
    {
        // First in the order of sources, so that settings of our own names win.
        builder.Configuration.Sources.Insert(0, new Microsoft.Extensions.Configuration.Memory.MemoryConfigurationSource
        {
            InitialData = EnvironmentNames.Translate(builder.Configuration),
        });

        var services = builder.Services;
        services.AddSingleton<IValidateOptions<EmbeddingOptions>, EmbeddingOptionsValidator>();
        services.AddOptions<EmbeddingOptions>().BindConfiguration(EmbeddingOptions.Section).ValidateOnStart();
        services.TryAddSingleton(_ => ProviderHttp.Create());
        services.AddSingleton<IValidateOptions<LocalOptions>, LocalOptionsValidator>();
        services.AddOptions<LocalOptions>().BindConfiguration(LocalOptions.Section).ValidateOnStart();
        services.AddSingleton<LocalModels>();
        services.AddSingleton<ModelCatalog>();
        services.AddSingleton(provider =>
        {
            var options = provider.GetRequiredService<IOptions<EmbeddingOptions>>().Value;
            var catalog = provider.GetRequiredService<ModelCatalog>();
            return new ModelRegistry(catalog.Create(options), catalog.Default(options));
        });
        services.AddHosted<ChangeNews>();
        services.AddCaching();
        services.AddBudgets();
        services.AddSingleton<EndpointCaller>();
        services.AddSingleton<ProviderCaller>();
        services.AddSingleton<VectorFetcher>();
        services.AddSingleton<EmbeddingGateway>();
        services.AddHostedService<ModelAnnouncement>();
        services.AddHostedService<LocalWarmUp>();
        services.AddSingleton<ModelAliases>();
        services.AddSingleton<CachePurge>();
        services.AddHosted<RegistryUpdater>();
        services.AddHosted<ImpostorWatch>();
        services.AddSingleton<IValidateOptions<CanaryOptions>, CanaryOptionsValidator>();
        services.AddOptions<CanaryOptions>().BindConfiguration(CanaryOptions.Section).ValidateOnStart();
        services.AddHosted<CanaryCheck>();
        services.AddSingleton<CacheOperations>();
        services.AddHostedService<CacheWarmer>();
        return builder;
    }

    private static void AddCaching(this IServiceCollection services)
    {
        services.AddSingleton<IValidateOptions<EmbeddingCacheOptions>, EmbeddingCacheOptionsValidator>();
        services.AddOptions<EmbeddingCacheOptions>().BindConfiguration(EmbeddingCacheOptions.Section).ValidateOnStart();
        services.AddSingleton<TierStatistics>();
        services.AddSingleton(provider =>
        {
            var options = provider.GetRequiredService<IOptions<EmbeddingCacheOptions>>().Value;
            return new MemoryTier(options.MemoryEntries, options.MemoryBytes, options.MemoryTtl, options.MemoryMaxAge, provider.GetRequiredService<TimeProvider>());
        });
        services.AddSingleton<ValkeyTier>();
        services.AddSingleton<ValkeyLeases>();
        services.AddHosted<DurableKeys>();
        services.AddHosted<DurableTier>();
        services.AddHosted<QueryCounter>();
        services.AddFeatureManagement();
        services.AddSingleton(provider => new GatewayFeatures(
            provider.GetRequiredService<IFeatureManager>(),
            provider.GetRequiredService<IOptions<EmbeddingCacheOptions>>().Value.Enabled,
            provider.GetRequiredService<TimeProvider>()));
        services.AddHostedService(provider => provider.GetRequiredService<GatewayFeatures>());
    }

    private static void AddBudgets(this IServiceCollection services)
    {
        services.AddSingleton<IValidateOptions<BudgetOptions>, BudgetOptionsValidator>();
        services.AddOptions<BudgetOptions>().BindConfiguration(BudgetOptions.Section).ValidateOnStart();
        services.AddHosted<BudgetGate>();
        services.AddHosted<UsageRecorder>();
    }

    private static void AddHosted<T>(this IServiceCollection services)
        where T : class, IHostedService
    {
        services.AddSingleton<T>();
        services.AddHostedService(provider => provider.GetRequiredService<T>());
    }

    /// <summary>Says at start which models there are, and which of them only compare words.</summary>
    private sealed partial class ModelAnnouncement(ModelRegistry registry, LocalModels locals, ILogger<ModelAnnouncement> logger) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            foreach (var model in registry.Models)
            {
                LogModel(model.Definition.Name, model.Definition.Space.Id, string.Join(", ", model.Endpoints.Select(endpoint => endpoint.Provider)));
            }

            if (registry.Models.Any(model => model.Definition.Encoding == TokenEncoding.Cl100k))
            {
                // Not the first request shall wait for it, nor the start.
                _ = Task.Run(Cl100k.Load, CancellationToken.None);
            }

            if (locals.Reason is { } reason)
            {
                LogNoLocal(reason);
            }

            if (registry.Find(registry.DefaultModel) is { Definition.Space.Lexical: true })
            {
                LogLexical(registry.DefaultModel);
            }

            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        [LoggerMessage(1, LogLevel.Information, "Model {Model} in space {Space}, served by {Providers}")]
        private partial void LogModel(string model, string space, string providers);

        [LoggerMessage(2, LogLevel.Warning,
            "The default model {Model} is lexical, not semantic: vector search finds shared words, not shared meaning. "
            + "EMBEDDINGS_PROVIDER=local, or a key of a provider, gives a semantic one.")]
        private partial void LogLexical(string model);

        [LoggerMessage(3, LogLevel.Warning, "No model can be computed in process, the built-in hashing serves instead: {Reason}")]
        private partial void LogNoLocal(string reason);
    }
}
