using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>How long a cache may keep its caller waiting. Section <c>Cache</c>.</summary>
public sealed class CacheOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Cache";

    /// <summary>How long a caller waits for one command; after that it counts as a miss.</summary>
    /// <value>10 milliseconds to 5 seconds. The default is 30 milliseconds: a Valkey nearby answers in a fraction of one.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:00:05")]
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromMilliseconds(30);

    /// <summary>
    /// After how long without any answer the cache counts as away. Much longer than <see cref="CommandTimeout"/>: a busy machine is late itself.
    /// </summary>
    /// <value>50 milliseconds to 10 seconds. The default is 500 milliseconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:00:10")]
    public TimeSpan SilenceLimit { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a cache that is away is left alone before it is pinged again. No caller waits for that.</summary>
    /// <value>500 milliseconds to 1 minute. The default is 1 second.</value>
    [Range(typeof(TimeSpan), "00:00:00.500", "00:01:00")]
    public TimeSpan BreakDuration { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long one attempt to connect may take. It happens in the background: nobody waits for it.</summary>
    /// <value>100 milliseconds to 1 minute. The default is 2 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:01:00")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(2);
}

/// <summary>Validates <see cref="CacheOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class CacheOptionsValidator : IValidateOptions<CacheOptions>;
