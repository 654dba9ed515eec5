using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>Loads the default model after the start, where it is a local one, so that the first query does not wait for that.</summary>
internal sealed partial class LocalWarmUp(ModelRegistry registry, ILogger<LocalWarmUp> logger) : BackgroundService
{
    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Behind whatever else starts: the API answers before a model is in memory.
        await Task.Yield();
        foreach (var endpoint in registry.Find(registry.DefaultModel)?.Endpoints ?? [])
        {
            if (endpoint.Generator is not LocalEmbeddingGenerator generator)
            {
                continue;
            }

            try
            {
                await generator.Model.LoadAsync(stoppingToken);
            }
            catch (ModelFolderException e)
            {
                LogFailed(registry.DefaultModel, e.Message);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Error, "The default model {Model} cannot be loaded: {Reason}")]
    private partial void LogFailed(string model, string reason);
}
