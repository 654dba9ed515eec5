using System.Diagnostics.Metrics;

namespace RagPlatform.SearchApi.Search;

/// <summary>The figures of searching.</summary>
internal sealed class SearchMetrics
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "RagPlatform.SearchApi.Search";

    private readonly Histogram<double> _duration;
    private readonly Counter<long> _cache;
    private readonly Counter<long> _shed;
    private readonly Counter<long> _degraded;
    private readonly UpDownCounter<long> _queued;

    public SearchMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _duration = meter.CreateHistogram<double>("rag.search.duration", "s", "How long searches took, by mode and whether the answer was cached.");
        _cache = meter.CreateCounter<long>("rag.search.cache", "{request}", "Look-ups of results, by outcome: memory, valkey, joined or miss.");
        _shed = meter.CreateCounter<long>("rag.search.shed", "{request}", "Searches that were refused because they would have waited too long.");
        _degraded = meter.CreateCounter<long>("rag.search.degraded", "{request}", "Searches that had to do without something: embedding.");
        _queued = meter.CreateUpDownCounter<long>("rag.search.queue", "{request}", "Searches that wait for their turn at the database.");
    }

    public void Record(TimeSpan duration, Contracts.SearchMode mode, bool cached) => _duration.Record(
        duration.TotalSeconds,
        new("mode", mode switch { Contracts.SearchMode.Keyword => "keyword", Contracts.SearchMode.Vector => "vector", _ => "hybrid" }),
        new("cached", cached));

    public void CountCache(string outcome) => _cache.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void CountDegraded(string what) => _degraded.Add(1, new KeyValuePair<string, object?>("what", what));

    public void CountShed() => _shed.Add(1);

    public void ChangeQueue(int by) => _queued.Add(by);
}
