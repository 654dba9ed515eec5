using System.Threading.Channels;
using Microsoft.Extensions.Options;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.ServiceDefaults.Health;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>
/// L3: vectors in PostgreSQL. Reads are bounded by a short timeout, writes happen behind the caller's back, in batches. When the database does not answer, a
/// breaker keeps callers from waiting for it, and what could not be written is forgotten: it is a cache. Writes have a breaker of their own: they may take
/// seconds where a read has milliseconds, and reads that are too slow are no reason to forget what was bought.
/// </summary>
internal sealed partial class DurableTier : BackgroundService
{
    // 64 MiB of the longest vectors there are.
    private const int MaxQueued = 4_096;
    private const int MaxWrite = 256;
    private static readonly TimeSpan s_pruneInterval = TimeSpan.FromHours(1);

    private readonly EmbeddingCacheStore? _store;
    private readonly EmbeddingCacheOptions _options;
    private readonly DurableKeys _keys;
    private readonly TierStatistics _statistics;
    private readonly TimeProvider _time;
    private readonly ILogger<DurableTier> _logger;
    private readonly Breaker _reads;
    private readonly Breaker _writes;
    private readonly StateLog<bool> _answers;
    private readonly Channel<KeyValuePair<VectorKey, CachedVector>> _queue =
        Channel.CreateBounded<KeyValuePair<VectorKey, CachedVector>>(new BoundedChannelOptions(MaxQueued) { SingleReader = true, FullMode = BoundedChannelFullMode.DropWrite });

    private long _pending;

    public DurableTier(
        IOptions<EmbeddingCacheOptions> options,
        DurableKeys keys,
        TierStatistics statistics,
        TimeProvider time,
        ILogger<DurableTier> logger,
        EmbeddingCacheStore? store = null)
    {
        _keys = keys;
        _store = options.Value is { Enabled: true, Durable: true } ? store : null;
        _options = options.Value;
        _statistics = statistics;
        _time = time;
        _logger = logger;
        _reads = new Breaker(failures: 3, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), time);
        _writes = new Breaker(failures: 3, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), time);
        _answers = new StateLog<bool>(initial: true, time, Write);
    }

    /// <summary>Whether there is such a tier.</summary>
    public bool IsConfigured => _store is not null;

    /// <summary>Vectors that are not written yet.</summary>
    public long Pending => Interlocked.Read(ref _pending);

    /// <summary>Reads vectors of one space in one query; without one, when it is known that none of them is there.</summary>
    /// <param name="keys">Their keys, all of one space.</param>
    /// <param name="dimensions">Dimensions of the space.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>One entry for each key: null where there is no sound value, or no answer in time.</returns>
    public async ValueTask<CachedVector?[]> GetAsync(IReadOnlyList<VectorKey> keys, int dimensions, CancellationToken cancellationToken)
    {
        var vectors = new CachedVector?[keys.Count];
        if (_store is null)
        {
            return vectors;
        }

        var places = new Dictionary<VectorKey, int>();
        var hashes = new List<byte[]>();
        for (var i = 0; i < vectors.Length; i++)
        {
            if (_keys.MayHave(keys[i]))
            {
                places[keys[i]] = i;
                hashes.Add(keys[i].HashBytes());
            }
        }

        if (hashes.Count == 0)
        {
            _statistics.Miss(Tier.L3, vectors.Length);
            return vectors;
        }

        if (!_reads.TryEnter())
        {
            return vectors;
        }

        var rows = await AskAsync(_reads, token => _store.FindAsync(keys[0].Space, [.. hashes], token), Timeout(hashes.Count), cancellationToken);
        if (rows is null)
        {
            return vectors;
        }

        List<byte[]>? corrupt = null;
        var hits = 0;
        foreach (var row in rows)
        {
            var key = new VectorKey(row.TextHash, keys[0].Space);
            var vector = VectorCodec.TryDecode(key, row.Value, dimensions);
            if (vector is not null)
            {
                vectors[places[key]] = vector;
                hits++;
            }
            else
            {
                _statistics.CorruptValue(Tier.L3);
                (corrupt ??= []).Add(row.TextHash);
            }
        }

        _statistics.Hit(Tier.L3, hits);
        _statistics.Miss(Tier.L3, keys.Count - hits);
        if (corrupt is not null)
        {
            await AskAsync(_writes, token => _store.DeleteAsync(keys[0].Space, [.. corrupt], token), Timeout(corrupt.Count), cancellationToken);
        }

        return vectors;
    }

    /// <summary>Has vectors written, soon.</summary>
    public void Add(IEnumerable<KeyValuePair<VectorKey, CachedVector>> vectors)
    {
        if (_store is null)
        {
            return;
        }

        foreach (var vector in vectors)
        {
            // With DropWrite, TryWrite says true in any case: the queue's length is what counts.
            if (_queue.Reader.Count >= MaxQueued)
            {
                _statistics.Error(Tier.L3);
                continue;
            }

            _keys.Add(vector.Key);
            Interlocked.Increment(ref _pending);
            if (!_queue.Writer.TryWrite(vector))
            {
                Interlocked.Decrement(ref _pending);
            }
        }
    }

    /// <summary>Waits until everything that was added before is written or given up.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        while (Pending > 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), _time, cancellationToken);
        }
    }

    /// <inheritdoc />
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _queue.Writer.TryComplete();
        try
        {
            // What is queued is written before the process ends, if the database answers.
            await (ExecuteTask ?? Task.CompletedTask).WaitAsync(TimeSpan.FromSeconds(3), _time, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            LogUnwritten(Pending);
        }

        await base.StopAsync(cancellationToken);
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (_store is null)
        {
            return;
        }

        using var prune = _time.CreateTimer(_ => _ = PruneAsync(stoppingToken), null, s_pruneInterval, s_pruneInterval);
        var rows = new List<KeyValuePair<VectorKey, CachedVector>>(MaxWrite);
        while (await _queue.Reader.WaitToReadAsync(stoppingToken))
        {
            rows.Clear();
            while (rows.Count < MaxWrite && _queue.Reader.TryRead(out var row))
            {
                rows.Add(row);
            }

            try
            {
                await WriteAsync(rows, stoppingToken);
            }
            finally
            {
                Interlocked.Add(ref _pending, -rows.Count);
            }
        }
    }

    private async Task WriteAsync(List<KeyValuePair<VectorKey, CachedVector>> rows, CancellationToken stoppingToken)
    {
        foreach (var space in rows.GroupBy(row => row.Key.Space))
        {
            if (!_writes.TryEnter())
            {
                _statistics.Error(Tier.L3);
                continue;
            }

            var values = space.DistinctBy(row => row.Key).Select(row => new EmbeddingCacheRow(row.Key.HashBytes(), VectorCodec.Encode(row.Key, row.Value))).ToList();
            await AskAsync(
                _writes,
                async token =>
                {
                    await _store!.AddAsync(space.Key, values, token);
                    return true;
                },
                TimeSpan.FromSeconds(5),
                stoppingToken);
        }
    }

    private async Task PruneAsync(CancellationToken stoppingToken)
    {
        const int Step = 1_000;
        var before = _time.GetUtcNow() - _options.DurableTtl;
        while (!stoppingToken.IsCancellationRequested && _writes.TryEnter()
            && await AskAsync(_writes, token => _store!.DeleteOlderAsync(before, "", Step, token), TimeSpan.FromSeconds(10), stoppingToken) == Step)
        {
        }
    }

    /// <summary>Asks the database for at most <paramref name="timeout"/>; the default of <typeparamref name="T"/> when it does not answer.</summary>
    private async ValueTask<T?> AskAsync<T>(
        Breaker breaker, Func<CancellationToken, Task<T>> ask, TimeSpan timeout, CancellationToken cancellationToken)
    {
        // A paused server does not even answer a cancellation: the caller leaves at once, the command is cancelled behind its back.
        var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<T>? task = null;
        try
        {
            task = ask(cancel.Token);
            var result = await task.WaitAsync(timeout, _time, cancellationToken);
            cancel.Dispose();
            if (breaker.Succeeded())
            {
                ReportState();
            }

            return result;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            breaker.Abandoned();
            Abandon(cancel, task);
            throw;
        }
        catch (Exception e)
        {
            Abandon(cancel, task);
            _statistics.Error(Tier.L3);
            if (breaker.Failed())
            {
                ReportState(e.GetType().Name);
            }

            return default;
        }
    }

    // Npgsql asks the server to cancel on the thread that cancels, and waits until the server has heard it: a paused one does not. Were it a thread of the
    // pool, a few callers at once would take all of them from everybody.
    private static void Abandon(CancellationTokenSource cancel, Task? task)
    {
        _ = task?.ContinueWith(static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        if (task is null or { IsCompleted: true })
        {
            cancel.Dispose();
            return;
        }

        _ = Task.Factory.StartNew(
            static state =>
            {
                using var source = (CancellationTokenSource)state!;
                source.Cancel();
            },
            cancel,
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    private TimeSpan Timeout(int keys) => _options.DurableTimeout + TimeSpan.FromMicroseconds(100 * keys);

    private void ReportState(string failure = "") => _answers.Report(!_reads.IsOpen && !_writes.IsOpen, failure);

    private void Write(bool answers, string failure, int changes)
    {
        if (answers)
        {
            LogBack(changes);
        }
        else
        {
            LogAway(failure, changes);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "The durable cache answers again ({Changes} changes since the last line)")]
    private partial void LogBack(int changes);

    [LoggerMessage(2, LogLevel.Warning,
        "The durable cache does not answer ({Failure}): until it is back its vectors are computed or bought again ({Changes} changes since the last line)")]
    private partial void LogAway(string failure, int changes);

    [LoggerMessage(3, LogLevel.Warning, "{Vectors} vectors were not written to the durable cache before the end")]
    private partial void LogUnwritten(long vectors);
}
