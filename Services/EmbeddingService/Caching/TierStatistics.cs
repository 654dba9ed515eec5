using System.Diagnostics.Metrics;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>Where a vector came from.</summary>
internal enum Tier
{
    /// <summary>Memory.</summary>
    L1,

    /// <summary>Valkey.</summary>
    L2,

    /// <summary>PostgreSQL.</summary>
    L3,

    /// <summary>A call that another request had under way.</summary>
    Joined,

    /// <summary>The provider: the only tier that costs money.</summary>
    Source,
}

/// <summary>Counts what the tiers do, for the operations API and for metrics.</summary>
internal sealed class TierStatistics
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "RagPlatform.Embedding";

    private static readonly string[] s_names = ["l1", "l2", "l3", "joined", "source"];

    private readonly Counts[] _counts = [new(), new(), new(), new(), new()];

    public TierStatistics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        meter.CreateObservableCounter("rag.embedding.cache.hits", () => Observe(c => c.Hits), "{text}", "Texts whose vector was found, by tier.");
        meter.CreateObservableCounter("rag.embedding.cache.misses", () => Observe(c => c.Misses), "{text}", "Texts whose vector was not found, by tier.");
        meter.CreateObservableCounter("rag.embedding.cache.errors", () => Observe(c => c.Errors), "{operation}", "Operations of a tier that failed or took too long.");
        meter.CreateObservableCounter("rag.embedding.cache.corrupt", () => Observe(c => c.Corrupt), "{text}", "Values that were not what had been written, and were deleted.");
    }

    /// <summary>The tier's name in headers, usage and metrics.</summary>
    public static string Name(Tier tier) => s_names[(int)tier];

    public void Hit(Tier tier, int texts = 1) => Interlocked.Add(ref _counts[(int)tier].Hits, texts);

    public void Miss(Tier tier, int texts = 1) => Interlocked.Add(ref _counts[(int)tier].Misses, texts);

    public void Error(Tier tier) => Interlocked.Increment(ref _counts[(int)tier].Errors);

    public void CorruptValue(Tier tier) => Interlocked.Increment(ref _counts[(int)tier].Corrupt);

    /// <summary>Hits, misses, errors and corrupt values of a tier since the start.</summary>
    public (long Hits, long Misses, long Errors, long Corrupt) Read(Tier tier)
    {
        var counts = _counts[(int)tier];
        return (Interlocked.Read(ref counts.Hits), Interlocked.Read(ref counts.Misses), Interlocked.Read(ref counts.Errors), Interlocked.Read(ref counts.Corrupt));
    }

    private IEnumerable<Measurement<long>> Observe(Func<Counts, long> value) =>
        _counts.Select((counts, i) => new Measurement<long>(value(counts), new KeyValuePair<string, object?>("tier", s_names[i])));

    private sealed class Counts
    {
        public long Hits;
        public long Misses;
        public long Errors;
        public long Corrupt;
    }
}
