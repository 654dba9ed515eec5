using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>How endpoints are checked for serving the model that they say. Section <c>Embedding:Canary</c>.</summary>
public sealed class CanaryOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Embedding:Canary";

    /// <summary>Whether they are checked.</summary>
    /// <value>The default is <see langword="true"/>. It costs about 30 tokens per model in use and check.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>How often each endpoint of a model in use is checked.</summary>
    /// <value>10 seconds to 1 day. The default is 10 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:10", "1.00:00:00")]
    public TimeSpan Interval { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The cosine below which a vector is another model's.</summary>
    /// <value>0.9 to 1. The default is 0.9999: the same model on other hardware stays above it.</value>
    [Range(0.9, 1.0)]
    public double MinCosine { get; set; } = 0.9999;
}

/// <summary>Validates <see cref="CanaryOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class CanaryOptionsValidator : IValidateOptions<CanaryOptions>;
