using System.Globalization;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>
/// Translates the environment names that people have into our settings: <c>EMBEDDINGS_PROVIDER</c>, <c>OPENAI_API_KEY</c>, <c>OPENAI_BASE_URL</c>,
/// <c>OPENAI_EMBEDDING_MODEL</c>, <c>OPENAI_EMBEDDING_DIMENSIONS</c>, <c>HF_API_KEY</c>, <c>HF_EMBEDDING_MODEL</c>,
/// <c>EMBEDDING_CACHE_ENABLED</c>, <c>EMBEDDING_CACHE_TTL</c>. Settings of our own names win.
/// </summary>
internal static class EnvironmentNames
{
    /// <summary>The settings that follow from <paramref name="configuration"/>'s environment names.</summary>
    /// <exception cref="InvalidOperationException">A value cannot be used; the message says which and what would be right.</exception>
    public static Dictionary<string, string?> Translate(IConfiguration configuration)
    {
        var settings = new Dictionary<string, string?>();
        AddOpenAi(configuration, settings);
        AddHuggingFace(configuration, settings);
        AddDefaultModel(configuration, settings);
        AddCache(configuration, settings);
        return settings;
    }

    private static void AddOpenAi(IConfiguration configuration, Dictionary<string, string?> settings)
    {
        var key = Value(configuration, "OPENAI_API_KEY");
        var baseUrl = Value(configuration, "OPENAI_BASE_URL");
        if (key is null && baseUrl is null)
        {
            return;
        }

        settings["Embedding:Providers:openai:Type"] = nameof(ProviderType.OpenAi);
        settings["Embedding:Providers:openai:ApiKey"] = key;
        if (baseUrl is not null)
        {
            settings["Embedding:Providers:openai:BaseUrl"] = Uri.TryCreate(baseUrl, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
                ? baseUrl
                : throw new InvalidOperationException($"OPENAI_BASE_URL is '{baseUrl}': expected an http or https address such as http://localhost:11434/v1.");
        }

        if (Value(configuration, "OPENAI_EMBEDDING_MODEL") is { } model && KnownModels.Find(model) is null)
        {
            var dimensions = Value(configuration, "OPENAI_EMBEDDING_DIMENSIONS");
            settings["Embedding:Models:0:Name"] = model;
            settings["Embedding:Models:0:Providers:0"] = "openai";
            settings["Embedding:Models:0:Dimensions"] = int.TryParse(dimensions, NumberStyles.None, CultureInfo.InvariantCulture, out _)
                ? dimensions
                : throw new InvalidOperationException(
                    $"OPENAI_EMBEDDING_MODEL is '{model}', whose dimensions are not known here: set OPENAI_EMBEDDING_DIMENSIONS to their number.");
        }
    }

    private static void AddHuggingFace(IConfiguration configuration, Dictionary<string, string?> settings)
    {
        if (Value(configuration, "HF_API_KEY") is { } key)
        {
            settings["Embedding:Providers:huggingface:Type"] = nameof(ProviderType.HuggingFace);
            settings["Embedding:Providers:huggingface:ApiKey"] = key;
            settings["Embedding:Providers:huggingface:BaseUrl"] = Value(configuration, "HF_BASE_URL");
        }
    }

    private static void AddDefaultModel(IConfiguration configuration, Dictionary<string, string?> settings)
    {
        var openAiModel = Value(configuration, "OPENAI_EMBEDDING_MODEL");
        settings["Embedding:DefaultModel"] = Value(configuration, "EMBEDDINGS_PROVIDER")?.ToLowerInvariant() switch
        {
            "openai" when !settings.ContainsKey("Embedding:Providers:openai:Type") =>
                throw new InvalidOperationException("EMBEDDINGS_PROVIDER is 'openai', but neither OPENAI_API_KEY nor OPENAI_BASE_URL is set."),
            "openai" => openAiModel ?? "text-embedding-3-small",
            "huggingface" when !settings.ContainsKey("Embedding:Providers:huggingface:Type") =>
                throw new InvalidOperationException("EMBEDDINGS_PROVIDER is 'huggingface', but HF_API_KEY is not set."),
            "huggingface" => Value(configuration, "HF_EMBEDDING_MODEL") ?? "sentence-transformers/all-MiniLM-L6-v2",
            "local" => KnownModels.DefaultLocal,
            "hashing" => KnownModels.Hashing,
            null when openAiModel is not null && settings.ContainsKey("Embedding:Providers:openai:Type") => openAiModel,

            // Who gives a key means to use it. A base address alone may be of a server that has other models.
            null when Value(configuration, "OPENAI_API_KEY") is not null => "text-embedding-3-small",
            null => KnownModels.DefaultLocal,
            var other => throw new InvalidOperationException($"EMBEDDINGS_PROVIDER is '{other}': expected openai, huggingface, local or hashing."),
        };
    }

    private static void AddCache(IConfiguration configuration, Dictionary<string, string?> settings)
    {
        if (Value(configuration, "EMBEDDING_CACHE_ENABLED") is { } enabled)
        {
            settings["Embedding:Cache:Enabled"] = enabled.ToLowerInvariant() switch
            {
                "true" or "1" or "yes" or "on" => "true",
                "false" or "0" or "no" or "off" => "false",
                _ => throw new InvalidOperationException($"EMBEDDING_CACHE_ENABLED is '{enabled}': expected true or false."),
            };
        }

        if (Value(configuration, "EMBEDDING_CACHE_TTL") is { } ttl)
        {
            var duration = long.TryParse(ttl, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= 366 * 86_400L
                ? TimeSpan.FromSeconds(seconds)
                : TimeSpan.TryParse(ttl, CultureInfo.InvariantCulture, out var span)
                    ? span
                    : throw new InvalidOperationException($"EMBEDDING_CACHE_TTL is '{ttl}': expected seconds, or a duration such as 7.00:00:00.");
            settings["Embedding:Cache:Ttl"] = duration.ToString("c", CultureInfo.InvariantCulture);
        }
    }

    private static string? Value(IConfiguration configuration, string name) => configuration[name] is { Length: > 0 } value ? value : null;
}
