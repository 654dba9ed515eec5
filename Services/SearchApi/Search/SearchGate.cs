using Microsoft.Extensions.Options;

namespace RagPlatform.SearchApi.Search;

/// <summary>A search would wait longer than it may take.</summary>
/// <param name="wait">How long it would be.</param>
internal sealed class SearchOverloadException(TimeSpan wait) : Exception("Too many searches wait already.")
{
    /// <summary>How long it would be.</summary>
    public TimeSpan Wait { get; } = wait;
}

/// <summary>
/// Lets so many searches at the database as its pool of connections serves well, the others in turn. Whoever would wait beyond the deadline is
/// refused at once: an answer that comes too late costs as much as one in time.
/// </summary>
internal sealed class SearchGate(IOptions<SearchOptions> options, SearchMetrics metrics, TimeProvider time) : IDisposable
{
    // How fast the average follows: a tenth of each new value.
    private const double Smoothing = 0.1;

    private readonly SemaphoreSlim _places = new(options.Value.Concurrency);
    private int _waiting;
    private double _averageSeconds;

    /// <summary>Whether somebody waits, or would have to.</summary>
    public bool IsBusy => _places.CurrentCount == 0;

    /// <summary>Runs a search when its turn has come.</summary>
    /// <exception cref="SearchOverloadException">Its turn would not come in time.</exception>
    public async Task<T> RunAsync<T>(Func<Task<T>> search, CancellationToken cancellationToken)
    {
        if (!await _places.WaitAsync(0, cancellationToken))
        {
            await WaitAsync(cancellationToken);
        }

        var started = time.GetTimestamp();
        try
        {
            return await search();
        }
        finally
        {
            var seconds = time.GetElapsedTime(started).TotalSeconds;
            _averageSeconds = _averageSeconds == 0 ? seconds : ((1 - Smoothing) * _averageSeconds) + (Smoothing * seconds);
            _places.Release();
        }
    }

    /// <inheritdoc />
    public void Dispose() => _places.Dispose();

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        var wait = TimeSpan.FromSeconds(_averageSeconds * (Volatile.Read(ref _waiting) + 1) / options.Value.Concurrency);
        if (wait > options.Value.Timeout)
        {
            metrics.CountShed();
            throw new SearchOverloadException(wait);
        }

        Interlocked.Increment(ref _waiting);
        metrics.ChangeQueue(1);
        try
        {
            if (!await _places.WaitAsync(options.Value.Timeout, cancellationToken))
            {
                metrics.CountShed();
                throw new SearchOverloadException(options.Value.Timeout);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
            metrics.ChangeQueue(-1);
        }
    }
}
