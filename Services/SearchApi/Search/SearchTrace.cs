using System.Collections.Concurrent;
using System.Diagnostics;

namespace RagPlatform.SearchApi.Search;

/// <summary>The stages of a search, as traces and explanations name them.</summary>
internal static class SearchStages
{
    public const string Embed = "embed";
    public const string Plan = "plan";
    public const string Postings = "postings";
    public const string Keyword = "keyword";
    public const string Vector = "vector";
    public const string Fuse = "fuse";
    public const string Boost = "boost";
    public const string Diversify = "diversify";
    public const string Count = "count";
    public const string Read = "read";
    public const string Highlight = "highlight";
    public const string Neighbors = "neighbors";
}

/// <summary>
/// What happened on the way of a search: how long each stage took, which access paths were taken, and what the answer had to do without. Stages say it
/// here and nowhere else; they may run at the same time.
/// </summary>
internal sealed class SearchTrace(TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<string, TimeSpan> _stages = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _degraded = new(StringComparer.Ordinal);
    private TimeSpan _databaseTime;
    private long _databaseBegan;
    private int _databaseCalls;

    /// <summary>How long each stage took in all.</summary>
    public IReadOnlyDictionary<string, TimeSpan> Stages => _stages;

    /// <summary>How long the query's embedding was waited for.</summary>
    public TimeSpan EmbeddingTime => _stages.GetValueOrDefault(SearchStages.Embed);

    /// <summary>How long the database was waited for. Calls at the same time count once, so it is never more than the search took.</summary>
    public TimeSpan DatabaseTime
    {
        get
        {
            lock (_lock)
            {
                return _databaseCalls == 0 ? _databaseTime : _databaseTime + time.GetElapsedTime(_databaseBegan);
            }
        }
    }

    /// <summary>What the answer had to do without, in the order of the alphabet.</summary>
    public IReadOnlyList<string> Degraded
    {
        get
        {
            lock (_lock)
            {
                return [.. _degraded];
            }
        }
    }

    /// <summary>Says that the answer has to do without something.</summary>
    public void Degrade(string what)
    {
        lock (_lock)
        {
            _degraded.Add(what);
        }
    }

    /// <summary>Begins a stage; it ends when the result is disposed of.</summary>
    public StageScope Begin(string stage) => new(this, stage, time.GetTimestamp(), SearchSpans.Begin(stage));

    /// <summary>Runs a stage that only computes.</summary>
    public T Compute<T>(string stage, Func<T> work)
    {
        using var scope = Begin(stage);
        return work();
    }

    /// <summary>Runs a stage that waits for the database, and counts its time.</summary>
    public async Task<T> ReadAsync<T>(string stage, Func<Task<T>> read)
    {
        using var scope = Begin(stage);
        lock (_lock)
        {
            if (_databaseCalls++ == 0)
            {
                _databaseBegan = time.GetTimestamp();
            }
        }

        try
        {
            return await read();
        }
        finally
        {
            lock (_lock)
            {
                if (--_databaseCalls == 0)
                {
                    _databaseTime += time.GetElapsedTime(_databaseBegan);
                }
            }
        }
    }

    private void End(string stage, long began)
    {
        var took = time.GetElapsedTime(began);
        _stages.AddOrUpdate(stage, took, (_, before) => before + took);
    }

    /// <summary>A stage that is running.</summary>
    internal readonly struct StageScope(SearchTrace trace, string stage, long began, Activity? span) : IDisposable
    {
        /// <inheritdoc />
        public void Dispose()
        {
            span?.Dispose();
            trace.End(stage, began);
        }
    }
}
