using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.IndexingWorker.Operations;
using RagPlatform.IndexingWorker.Queue;
using RagPlatform.ServiceDefaults;
using RagPlatform.ServiceDefaults.Auth;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker;

/// <summary>Composes the service, for its own process and for the single-node host.</summary>
public static class IndexingWorkerApp
{
    /// <summary>Builds the application; it is started by the caller.</summary>
    /// <param name="args">Command-line configuration.</param>
    /// <param name="configure">Runs first, so that a host can supply configuration and addresses.</param>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(args);
        configure?.Invoke(builder);
        builder.AddServiceDefaults("indexing-worker");
        builder.AddRagPostgres(nameSql: SqlNames.Find);
        builder.AddApiKeyAuthentication();
        builder.Services.AddStorage();
        builder.Services.AddValidation();
        builder.Services.ConfigureHttpJsonOptions(json => RagJson.Configure(json.SerializerOptions));
        builder.AddIndexing();
        builder.AddOperations();

        var app = builder.Build();
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapDefaultEndpoints();
        return app;
    }

    private static void AddIndexing(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<IValidateOptions<IndexingOptions>, IndexingOptionsValidator>();
        services.AddOptions<IndexingOptions>().BindConfiguration(IndexingOptions.Section).ValidateOnStart();
        services.AddSingleton(provider => new EmbeddingGatewayClient(
            ServiceAddress.Get(builder.Configuration, "embedding-service"),
            provider.GetRequiredService<AdminKey>().Value ?? "disabled"));
        services.TryAddSingleton<EmbedTexts>(provider =>
        {
            var client = provider.GetRequiredService<EmbeddingGatewayClient>();
            var calibration = provider.GetRequiredService<TokenCalibration>();
            return async (space, workspace, texts, cancellationToken) =>
            {
                var embedded = await client.EmbedCountedAsync(
                    ToSpace(space), space.Id, texts, EmbeddingInput.Document, workspace, cancellationToken);
                calibration.Observe(space.SpaceId, texts, embedded.Tokens);
                return embedded.Vectors;
            };
        });

        services.AddSingleton<IndexingMetrics>();
        services.AddSingleton<WorkerIdentity>();
        services.AddSingleton<TasksInWork>();
        services.AddSingleton<WorkMemory>();
        services.AddSingleton<TokenCalibration>();
        services.AddSingleton<EmbeddingBatcher>();
        services.AddSingleton<WriteDocuments>(provider =>
        {
            var (store, owner) = (provider.GetRequiredService<IndexStore>(), provider.GetRequiredService<WorkerIdentity>().Id);
            return (space, documents, cancellationToken) => store.WriteAsync(owner, space, documents, cancellationToken);
        });
        services.AddSingleton<IndexCommitter>();
        services.AddSingleton<RestingSpaces>();
        services.AddSingleton<DocumentIndexer>();
        services.AddSingleton<TaskSignal>();
        services.AddSingleton<ControlSignal>();
        services.AddSingleton(provider =>
        {
            var listener = provider.GetRequiredService<NotificationListener>();
            return new IdlePace(() => listener.Hears, provider.GetRequiredService<TimeProvider>());
        });
        services.AddHostedService<Maintenance>();
        services.AddHostedService<LeaseKeeper>();
        services.AddHostedService<TaskListener>();

        // Stopped first, as the last one started: the leases are kept as long as it has work in hand.
        services.AddHostedService<IndexingLoop>();
    }

    private static void AddOperations(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<IndexDoctor>();
        builder.Services.AddHostedService(provider => provider.GetRequiredService<IndexDoctor>());
    }

    private static EmbeddingSpace ToSpace(SpaceRow space) => new(
        space.Model, space.Revision, space.Dimensions, space.Normalized, space.QueryPrompt, space.DocumentPrompt, space.MaxTokens, space.Lexical);
}
