using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>What speaks to a provider.</summary>
public enum ProviderType
{
    /// <summary>OpenAI, or any server with its wire format: Azure, Ollama, vLLM, TEI.</summary>
    OpenAi,

    /// <summary>HuggingFace's Inference API.</summary>
    HuggingFace,

    /// <summary>A transformer in this process: packaged models, and folders on this machine.</summary>
    Local,
}

/// <summary>Which providers and models there are. Section <c>Embedding</c>.</summary>
public sealed class EmbeddingOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Embedding";

    /// <summary>The model of a workspace that names none.</summary>
    /// <value>
    /// A model's name or an alias. The default is the packaged <c>all-MiniLM-L6-v2</c>, and <c>hashing</c> where models cannot be computed in process.
    /// </value>
    [Required]
    public string DefaultModel { get; set; } = KnownModels.DefaultLocal;

    /// <summary>Origins of web pages that browsers let call the service, as <c>https://app.example.org</c>; <c>*</c> for every one.</summary>
    /// <value>Empty (the default) for none: a key belongs on a server.</value>
    public IList<string> AllowedOrigins { get; } = [];

    /// <summary>Endpoints by name. The built-in <c>hashing</c> needs none.</summary>
    [ValidateEnumeratedItems]
    public IList<ProviderOptions> ProviderList => [.. Providers.Values];

    /// <summary>Endpoints by name: section <c>Embedding:Providers:{name}</c>.</summary>
    public IDictionary<string, ProviderOptions> Providers { get; } = new Dictionary<string, ProviderOptions>(StringComparer.Ordinal);

    /// <summary>Models beyond the known ones, or known ones with other settings: section <c>Embedding:Models:{n}</c>.</summary>
    [ValidateEnumeratedItems]
    public IList<ModelOptions> Models { get; } = [];
}

/// <summary>An endpoint of a provider.</summary>
public sealed class ProviderOptions
{
    /// <summary>What it speaks.</summary>
    public ProviderType Type { get; set; } = ProviderType.OpenAi;

    /// <summary>The root of its API, with <c>/v1</c> for OpenAI's format.</summary>
    /// <value>The default is the provider's own.</value>
    public Uri? BaseUrl { get; set; }

    /// <summary>Its key; empty for servers that need none.</summary>
    public string ApiKey { get; set; } = "";

    /// <summary>Names of the models that it serves.</summary>
    /// <value>Empty (the default) for every known model of its type.</value>
    public IList<string> Models { get; } = [];

    /// <summary>Calls per minute, of all replicas together.</summary>
    /// <value>0 (no limit) to 1,000,000. The default is 3,000.</value>
    [Range(0, 1_000_000)]
    public int RequestsPerMinute { get; set; } = 3_000;

    /// <summary>Tokens per minute, of all replicas together.</summary>
    /// <value>0 (no limit, the default) to 2,000,000,000.</value>
    [Range(0, 2_000_000_000)]
    public int TokensPerMinute { get; set; }

    /// <summary>Calls at the same time, of this process.</summary>
    /// <value>1 to 1,000. The default is 8.</value>
    [Range(1, 1_000)]
    public int MaxInFlight { get; set; } = 8;

    /// <summary>Calls that may wait for one of those places, interactive and bulk ones each. Beyond it callers are refused at once (429).</summary>
    /// <value>1 to 100,000. The default is 1,000.</value>
    [Range(1, 100_000)]
    public int MaxWaiting { get; set; } = 1_000;

    /// <summary>Texts of one call.</summary>
    /// <value>1 to 2,048. The default is 100.</value>
    [Range(1, 2_048)]
    public int MaxBatch { get; set; } = 100;

    /// <summary>Tokens of one call, estimated.</summary>
    /// <value>256 to 1,000,000. The default is 100,000.</value>
    [Range(256, 1_000_000)]
    public int MaxBatchTokens { get; set; } = 100_000;

    /// <summary>How long one call may take.</summary>
    /// <value>100 milliseconds to 5 minutes. The default is 30 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:05:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Calls until a failure is given up.</summary>
    /// <value>1 to 10. The default is 4.</value>
    [Range(1, 10)]
    public int MaxAttempts { get; set; } = 4;
}

/// <summary>A model. What is left out is as the known model of that name has it.</summary>
public sealed class ModelOptions
{
    /// <summary>The name to pass as <c>model</c>.</summary>
    [Required, StringLength(200, MinimumLength = 1)]
    public string Name { get; set; } = "";

    /// <summary>Names of endpoints that serve it, the preferred one first: the others are asked when it fails. All must serve the same space.</summary>
    public IList<string> Providers { get; } = [];

    /// <summary>
    /// A folder in sentence-transformers' layout on this machine (<c>model.onnx</c>, <c>vocab.txt</c>, <c>modules.json</c>, …): the model is computed in
    /// this process, and what is left out here is as the folder says. Takes no providers, and cannot be set at run time.
    /// </summary>
    [StringLength(4_000)]
    public string? Folder { get; set; }

    /// <summary>Whether a model of a <see cref="Folder"/> is computed in 8-bit integers: at least twice as fast, with vectors of a space of their own.</summary>
    /// <value>The default is false: as exact as the file.</value>
    public bool Int8 { get; set; }

    /// <summary>Its name at the provider.</summary>
    /// <value>The default is <see cref="Name"/>.</value>
    public string? ProviderModel { get; set; }

    /// <summary>The model's revision, part of the space's identity.</summary>
    public string? Revision { get; set; }

    /// <summary>Dimensions of its vectors.</summary>
    /// <value>1 to 16,000.</value>
    [Range(1, 16_000)]
    public int? Dimensions { get; set; }

    /// <summary>Whether its vectors have unit length: they are scaled to it where the provider does not.</summary>
    public bool? Normalized { get; set; }

    /// <summary>Text before a query.</summary>
    [StringLength(2_000)]
    public string? QueryPrompt { get; set; }

    /// <summary>Text before a passage.</summary>
    [StringLength(2_000)]
    public string? DocumentPrompt { get; set; }

    /// <summary>Tokens after which the provider truncates a text; 0 when it refuses it.</summary>
    [Range(0, 10_000_000)]
    public int? MaxTokens { get; set; }

    /// <summary>Whether a request may ask for fewer dimensions: each number of them is a space of its own.</summary>
    public bool? AcceptsDimensions { get; set; }

    /// <summary>In US dollars.</summary>
    /// <value>0 to 1,000.</value>
    [Range(typeof(decimal), "0", "1000")]
    public decimal? PricePerMillionTokens { get; set; }

    /// <summary>What to know about it, in a sentence.</summary>
    [StringLength(1_000)]
    public string? Description { get; set; }
}

/// <summary>Validates <see cref="EmbeddingOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class EmbeddingOptionsValidator : IValidateOptions<EmbeddingOptions>;
