using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>How models are computed in this process. Section <c>Embedding:Local</c>.</summary>
public sealed class LocalOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Embedding:Local";

    /// <summary>Passages that are computed at the same time, each on one thread; as many queries again.</summary>
    /// <value>1 to 64. The default is the number of processors.</value>
    [Range(1, 64)]
    public int Threads { get; set; } = Math.Clamp(Environment.ProcessorCount, 1, 64);

    /// <summary>After how long without a text a model's memory (about 100 MB for the packaged ones) is given back.</summary>
    /// <value>1 second to 7 days. The default is 1 hour.</value>
    [Range(typeof(TimeSpan), "00:00:01", "7.00:00:00")]
    public TimeSpan IdleUnload { get; set; } = TimeSpan.FromHours(1);
}

/// <summary>Validates <see cref="LocalOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class LocalOptionsValidator : IValidateOptions<LocalOptions>;
