using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>The cache tiers. Section <c>Embedding:Cache</c>.</summary>
public sealed class EmbeddingCacheOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Embedding:Cache";

    /// <summary>Whether vectors are cached at all. Callers of the same text at the same time share a call also without.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>Vectors in memory (L1), at most.</summary>
    /// <value>0 (none) to 10,000,000. The default is 50,000.</value>
    [Range(0, 10_000_000)]
    public int MemoryEntries { get; set; } = 50_000;

    /// <summary>Bytes of memory that L1 may take.</summary>
    /// <value>1 MiB to 64 GiB. The default is 128 MiB.</value>
    [Range(1L << 20, 1L << 36)]
    public long MemoryBytes { get; set; } = 128L << 20;

    /// <summary>How long an unused vector stays in memory.</summary>
    /// <value>1 second to 30 days. The default is 1 hour.</value>
    [Range(typeof(TimeSpan), "00:00:01", "30.00:00:00")]
    public TimeSpan MemoryTtl { get; set; } = TimeSpan.FromHours(1);

    /// <summary>How long a vector stays in memory at most, also when it is in use.</summary>
    /// <value>1 second to 30 days. The default is 6 hours.</value>
    [Range(typeof(TimeSpan), "00:00:01", "30.00:00:00")]
    public TimeSpan MemoryMaxAge { get; set; } = TimeSpan.FromHours(6);

    /// <summary>How long a vector stays in Valkey (L2), give or take a tenth so that those of one batch do not go at one moment.</summary>
    /// <value>1 second to 366 days. The default is 7 days.</value>
    [Range(typeof(TimeSpan), "00:00:01", "366.00:00:00")]
    public TimeSpan Ttl { get; set; } = TimeSpan.FromDays(7);

    /// <summary>What keys in Valkey begin with: <c>{prefix}:v3:{sha256}:{space}</c>.</summary>
    /// <value>1 to 60 of [a-z0-9:_-]. The default is <c>embedding</c>.</value>
    [Required, RegularExpression("^[a-z0-9:_-]{1,60}$")]
    public string KeyPrefix { get; set; } = "embedding";

    /// <summary>Whether vectors are kept in PostgreSQL (L3) as well. Those of the built-in provider never are: they are cheaper to compute.</summary>
    /// <value>The default is <see langword="true"/>; without a database there is no L3.</value>
    public bool Durable { get; set; } = true;

    /// <summary>How long L3 may take for one text; a hundred texts more may take 10 milliseconds more. After that it counts as a miss.</summary>
    /// <value>5 milliseconds to 5 seconds. The default is 25 milliseconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.005", "00:00:05")]
    public TimeSpan DurableTimeout { get; set; } = TimeSpan.FromMilliseconds(25);

    /// <summary>
    /// Up to how many vectors in L3 their keys are known in memory, at two to eight bytes each, so that L3 is not asked for what it cannot have. What another
    /// replica wrote is known after half a second.
    /// </summary>
    /// <value>0 (L3 is always asked) to 100,000,000. The default is 5,000,000.</value>
    [Range(0, 100_000_000)]
    public int DurableKeysInMemory { get; set; } = 5_000_000;

    /// <summary>After how long a vector is removed from L3.</summary>
    /// <value>1 hour to 3,650 days. The default is 180 days.</value>
    [Range(typeof(TimeSpan), "01:00:00", "3650.00:00:00")]
    public TimeSpan DurableTtl { get; set; } = TimeSpan.FromDays(180);

    /// <summary>After how long another replica may call the provider for a text, when the one that does so shows no life.</summary>
    /// <value>200 milliseconds to 1 minute. The default is 2 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.200", "00:01:00")]
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How many of the most frequent queries are brought into memory after a start.</summary>
    /// <value>0 (none) to 100,000. The default is 1,000.</value>
    [Range(0, 100_000)]
    public int WarmAfterStart { get; set; } = 1_000;
}

/// <summary>Validates <see cref="EmbeddingCacheOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class EmbeddingCacheOptionsValidator : IValidateOptions<EmbeddingCacheOptions>;
