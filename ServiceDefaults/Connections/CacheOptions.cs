using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>How long a cache may keep its caller waiting. Section <c>Cache</c>.</summary>
public sealed class CacheOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Cache";

    /// <summary>How long one command may take; after that it counts as a miss.</summary>
    /// <value>10 milliseconds to 5 seconds. The default is 30 milliseconds: a Valkey nearby answers in a fraction of one.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:00:05")]
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromMilliseconds(30);

    /// <summary>
    /// For how long nothing is asked after four commands in a row were not answered. Then one command tries again.
    /// </summary>
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
