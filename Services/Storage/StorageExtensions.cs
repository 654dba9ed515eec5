using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace RagPlatform.Storage;

/// <summary>Registers the stores over the service's <c>NpgsqlDataSource</c>.</summary>
public static class StorageExtensions
{
    /// <summary>Adds every store, the schema's migration at start, and a health check that is unhealthy until the schema is there.</summary>
    public static IServiceCollection AddStorage(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<SchemaMigrator>();
        services.AddHostedService(provider => provider.GetRequiredService<SchemaMigrator>());
        services.AddHealthChecks().AddCheck<SchemaHealthCheck>("schema");

        services.AddSingleton<WorkspaceStore>();
        services.AddSingleton<SpaceStore>();
        services.AddSingleton<ApiKeyStore>();
        services.AddSingleton<DocumentStore>();
        services.AddSingleton<ExportStore>();
        services.AddSingleton<IndexingStatusStore>();
        services.AddSingleton<IndexingControlStore>();
        services.AddSingleton<DeadLetterStore>();
        services.AddSingleton<ChangeStore>();
        services.AddSingleton<NotificationListener>();
        services.AddSingleton<LexicalStore>();
        services.AddSingleton<LexicalFolder>();
        services.AddSingleton<PassageStore>();
        services.AddSingleton<VectorSearch>();
        services.AddSingleton<PlannerStore>();
        services.AddSingleton<PartialIndexStore>();
        services.AddSingleton<TaskQueue>();
        services.AddSingleton<WorkspaceRestStore>();
        services.AddSingleton<IndexStore>();
        services.AddSingleton<VectorIndexStore>();
        services.AddSingleton<EmbeddingCacheStore>();
        services.AddSingleton<EmbeddingUsageStore>();
        services.AddSingleton<EmbeddingBudgetStore>();
        services.AddSingleton<EmbeddingQueryStore>();
        services.AddSingleton<EmbeddingModelStore>();
        services.AddSingleton<ChunkStore>();
        services.AddSingleton<ReindexStore>();
        services.AddSingleton<DoctorStore>();
        services.AddSingleton<RepairStore>();
        services.AddSingleton<DoctorCheckStore>();
        services.AddSingleton<TokenRatioStore>();
        return services;
    }

    private sealed class SchemaHealthCheck(SchemaMigrator migrator) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(migrator.Ready switch
            {
                { IsCompletedSuccessfully: true } => HealthCheckResult.Healthy(),
                { IsFaulted: true } task => HealthCheckResult.Unhealthy(task.Exception!.InnerException!.Message),
                _ => HealthCheckResult.Unhealthy("The schema is not there yet."),
            });
    }
}
