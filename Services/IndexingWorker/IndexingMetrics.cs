using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace RagPlatform.IndexingWorker;

/// <summary>What the worker measures.</summary>
internal sealed class IndexingMetrics
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "RagPlatform.Indexing";

    private readonly Counter<long> _documents;
    private readonly Counter<long> _chunks;
    private readonly Counter<long> _embedded;
    private readonly Counter<long> _discarded;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _deadLetters;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _freshness;

    public IndexingMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _documents = meter.CreateCounter<long>("rag.index.documents", "{document}", "Documents that became searchable.");
        _chunks = meter.CreateCounter<long>("rag.index.chunks", "{chunk}", "Chunks of documents that became searchable.");
        _embedded = meter.CreateCounter<long>("rag.index.embedded", "{chunk}", "Chunks that had to be embedded.");
        _discarded = meter.CreateCounter<long>("rag.index.discarded", "{task}", "Work that was given back, by reason.");
        _retries = meter.CreateCounter<long>("rag.index.retries", "{task}", "Failed attempts that will be repeated, by cause.");
        _deadLetters = meter.CreateCounter<long>("rag.index.dead_letters", "{task}", "Tasks that failed for good, by cause.");
        _duration = meter.CreateHistogram<double>("rag.index.duration", "s", "From a claim to the commit.");
        _freshness = meter.CreateHistogram<double>("rag.index.freshness", "s", "From the change to being searchable.");
    }

    public void Indexed(int chunks, int embedded, TimeSpan duration, TimeSpan freshness)
    {
        _documents.Add(1);
        _chunks.Add(chunks);
        _embedded.Add(embedded);
        _duration.Record(duration.TotalSeconds);
        _freshness.Record(freshness.TotalSeconds);
    }

    public void Discarded(string reason) => _discarded.Add(1, new TagList { { "reason", reason } });

    public void Retried(string cause) => _retries.Add(1, new TagList { { "cause", cause } });

    public void DeadLettered(string cause) => _deadLetters.Add(1, new TagList { { "cause", cause } });
}
