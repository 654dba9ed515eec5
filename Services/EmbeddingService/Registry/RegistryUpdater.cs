using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Options;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>Follows the models and aliases that are added at run time, by this replica or another.</summary>
internal sealed partial class RegistryUpdater(
    ModelRegistry registry,
    ModelCatalog catalog,
    ModelAliases aliases,
    IOptions<EmbeddingOptions> options,
    ChangeNews news,
    ILogger<RegistryUpdater> logger,
    EmbeddingModelStore? store = null,
    SchemaMigrator? schema = null) : BackgroundService
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_notifiedInterval = TimeSpan.FromMinutes(1);

    private string _seen = "";

    /// <summary>How a model's settings are written in JSON.</summary>
    public static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        PreferredObjectCreationHandling = JsonObjectCreationHandling.Populate,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    /// <summary>Whether anything can be added at run time: not without a database.</summary>
    public bool CanStore => store is not null;

    /// <summary>Reads models and aliases.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        if (store is null)
        {
            return;
        }

        aliases.Replace(await store.ListAliasesAsync(cancellationToken));
        var added = await store.ListModelsAsync(cancellationToken);
        var state = string.Join('\n', added.Select(model => model.Name + model.Settings));
        if (state == _seen)
        {
            return;
        }

        registry.Replace(catalog.Create(With(added)), catalog.Default(options.Value));
        _seen = state;
        LogChanged(registry.Models.Count);
    }

    /// <summary>Checks whether a model could be added.</summary>
    /// <returns>Why not; null when it could.</returns>
    public string? Check(ModelOptions model)
    {
        var results = new List<ValidationResult>();
        if (!Validator.TryValidateObject(model, new ValidationContext(model), results, validateAllProperties: true))
        {
            return results[0].ErrorMessage;
        }

        if (model.Folder is not null)
        {
            return "A Folder is set in the configuration only.";
        }

        try
        {
            catalog.Create(With([(model.Name, JsonSerializer.Serialize(model, Json))]));
            return null;
        }
        catch (InvalidOperationException e)
        {
            return e.Message;
        }
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (schema is not null)
        {
            await schema.Ready.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        while (store is not null)
        {
            try
            {
                await RefreshAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(e.GetType().Name);
            }

            await news.WaitAsync(news.Registry, s_interval, s_notifiedInterval, stoppingToken);
        }
    }

    // What was added at run time wins over the configuration.
    private EmbeddingOptions With(IReadOnlyList<(string Name, string Settings)> added)
    {
        var all = new EmbeddingOptions { DefaultModel = options.Value.DefaultModel };
        foreach (var (name, provider) in options.Value.Providers)
        {
            all.Providers.Add(name, provider);
        }

        foreach (var model in options.Value.Models.Where(model => added.All(other => other.Name != model.Name)))
        {
            all.Models.Add(model);
        }

        foreach (var (_, settings) in added)
        {
            all.Models.Add(JsonSerializer.Deserialize<ModelOptions>(settings, Json)!);
        }

        return all;
    }

    [LoggerMessage(1, LogLevel.Information, "The registry has {Models} models now")]
    private partial void LogChanged(int models);

    [LoggerMessage(2, LogLevel.Warning, "Models that were added at run time cannot be read ({Failure})")]
    private partial void LogFailed(string failure);
}
