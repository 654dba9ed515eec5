using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.SearchApi.Limits;

/// <summary>What one request and one key may take up. Section <c>Api</c>. The size of bodies and the number of connections are in section <c>Limits</c>.</summary>
public sealed class ApiLimits
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Api";

    /// <summary>How long a request may take, before what it has started is cancelled. Waiting that a caller prefers comes on top.</summary>
    /// <value>1 second to 10 minutes. The default is 30 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How many writes may wait at one time until they are searchable. Further ones are answered at once, as if they did not prefer to wait.</summary>
    /// <value>0 to 10,000. The default is 256: each one looks at the database up to four times a second.</value>
    [Range(0, 10_000)]
    public int MaxWaits { get; set; } = 256;

    /// <summary>How many of them may be of one key. The admin's key has no limit of its own.</summary>
    /// <value>0 to 10,000. The default is 64.</value>
    [Range(0, 10_000)]
    public int MaxWaitsPerKey { get; set; } = 64;

    /// <summary>How many progress streams, and waits for the change feed, may be open at one time.</summary>
    /// <value>0 to 10,000. The default is 100: each one asks the database once a second.</value>
    [Range(0, 10_000)]
    public int MaxStreams { get; set; } = 100;

    /// <summary>How many of them may be of one key. The admin's key has no limit of its own.</summary>
    /// <value>0 to 10,000. The default is 20.</value>
    [Range(0, 10_000)]
    public int MaxStreamsPerKey { get; set; } = 20;

    /// <summary>How many requests a second the key of a workspace may make over time. Further ones are answered by 429. The admin's key has no limit.</summary>
    /// <value>1 to 100,000, or 0 for no limit, which is the default.</value>
    [Range(0, 100_000)]
    public int RequestsPerSecond { get; set; }

    /// <summary>How many requests the key of a workspace may make at once after a pause.</summary>
    /// <value>1 to 100,000. The default is 200.</value>
    [Range(1, 100_000)]
    public int RequestBurst { get; set; } = 200;
}

/// <summary>Validates <see cref="ApiLimits"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class ApiLimitsValidator : IValidateOptions<ApiLimits>;
