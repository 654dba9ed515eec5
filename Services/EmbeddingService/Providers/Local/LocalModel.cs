using System.Threading.Channels;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>What became of one text.</summary>
/// <param name="Vector">Its vector.</param>
/// <param name="Tokens">Tokens that were read.</param>
/// <param name="Lost">Tokens that did not fit.</param>
internal readonly record struct LocalVector(float[] Vector, int Tokens, int Lost);

/// <summary>
/// A model that is loaded when it is first needed and given back when nobody has asked for long. Texts that a person waits for have threads of their
/// own beside those of bulk work: they share the cores with at most as many passages as there are cores, and never wait for one to end.
/// </summary>
internal sealed partial class LocalModel : IAsyncDisposable
{
    private readonly ModelSource _source;
    private readonly LocalOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<LocalModel> _logger;
    private readonly Channel<Work> _interactive = CreateQueue();
    private readonly Channel<Work> _bulk = CreateQueue();
    private readonly SemaphoreSlim _loading = new(1);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ITimer _idle;
    private readonly List<Task> _workers = [];
    private readonly Lock _lock = new();
    private LocalModelSession? _session;
    private int _users;
    private long _usedAt;

    public LocalModel(ModelSource source, LocalOptions options, TimeProvider time, ILogger<LocalModel> logger)
    {
        (_source, _options, _time, _logger) = (source, options, time, logger);
        _usedAt = time.GetTimestamp();
        _idle = time.CreateTimer(static state => ((LocalModel)state!).UnloadIdle(), this, options.IdleUnload / 2, options.IdleUnload / 2);
    }

    /// <summary>What is known of the model.</summary>
    public LocalModelSettings Settings => _source.Settings;

    /// <summary>Whether its weights are in memory.</summary>
    public bool IsLoaded
    {
        get
        {
            lock (_lock)
            {
                return _session is not null;
            }
        }
    }

    /// <summary>Loads the model, so that the first text does not wait for that.</summary>
    /// <exception cref="ModelFolderException">It cannot be loaded.</exception>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken);
        Leave();
    }

    /// <summary>Embeds texts.</summary>
    /// <param name="texts">The texts, with prompt.</param>
    /// <param name="interactive">Whether a person waits.</param>
    /// <param name="cancellationToken">Gives up what is not computed yet.</param>
    /// <exception cref="ModelFolderException">The model cannot be loaded.</exception>
    public async Task<LocalVector[]> EmbedAsync(IReadOnlyList<string> texts, bool interactive, CancellationToken cancellationToken)
    {
        var session = await EnterAsync(cancellationToken);
        try
        {
            var vectors = new LocalVector[texts.Count];
            var done = new Task[texts.Count];
            var queue = (interactive ? _interactive : _bulk).Writer;
            for (var i = 0; i < done.Length; i++)
            {
                var work = new Work(session, texts[i], vectors, i, cancellationToken);
                done[i] = work.Done.Task;
                await queue.WriteAsync(work, cancellationToken);
            }

            await Task.WhenAll(done);
            return vectors;
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _idle.DisposeAsync();
        await _stopping.CancelAsync();
        _interactive.Writer.TryComplete();
        _bulk.Writer.TryComplete();
        await Task.WhenAll(_workers).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var queue in new[] { _interactive, _bulk })
        {
            while (queue.Reader.TryRead(out var work))
            {
                work.Done.TrySetCanceled();
            }
        }

        _session?.Dispose();
        _loading.Dispose();
        _stopping.Dispose();
    }

    private static Channel<Work> CreateQueue() => Channel.CreateUnbounded<Work>();

    // A text is in the queue only while its caller waits, and callers are limited by the endpoint's channel.
    private async Task<LocalModelSession> EnterAsync(CancellationToken cancellationToken)
    {
        if (TryEnter() is { } loaded)
        {
            return loaded;
        }

        await _loading.WaitAsync(cancellationToken);
        try
        {
            if (TryEnter() is { } meanwhile)
            {
                return meanwhile;
            }

            var began = _time.GetTimestamp();
            var session = await Task.Run(() => LocalModelSession.Load(_source), cancellationToken);

            // The file and its rewrite are garbage now: 150 MB that would otherwise stay until the next full collection.
            GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            LogLoaded(Settings.Name, _time.GetElapsedTime(began).TotalMilliseconds);
            lock (_lock)
            {
                _session = session;
                _users++;
            }

            StartWorkers();
            return session;
        }
        finally
        {
            _loading.Release();
        }
    }

    private LocalModelSession? TryEnter()
    {
        lock (_lock)
        {
            if (_session is not null)
            {
                _users++;
            }

            return _session;
        }
    }

    private void Leave()
    {
        lock (_lock)
        {
            _users--;
            _usedAt = _time.GetTimestamp();
        }
    }

    /// <summary>Gives the memory back when nobody has asked for long; a timer does so.</summary>
    internal void UnloadIdle()
    {
        LocalModelSession? unused = null;
        lock (_lock)
        {
            if (_users == 0 && _session is not null && _time.GetElapsedTime(_usedAt) >= _options.IdleUnload)
            {
                (unused, _session) = (_session, null);
            }
        }

        if (unused is not null)
        {
            unused.Dispose();
            LogUnloaded(Settings.Name);
        }
    }

    private void StartWorkers()
    {
        if (_workers.Count > 0)
        {
            return;
        }

        foreach (var queue in new[] { _interactive, _bulk })
        {
            for (var i = 0; i < _options.Threads; i++)
            {
                _workers.Add(Task.Factory.StartNew(() => Run(queue.Reader), _stopping.Token, TaskCreationOptions.LongRunning, TaskScheduler.Default));
            }
        }
    }

    private void Run(ChannelReader<Work> queue)
    {
        while (WaitForWork(queue))
        {
            while (!_stopping.IsCancellationRequested && queue.TryRead(out var work))
            {
                work.Compute();
            }
        }
    }

    private bool WaitForWork(ChannelReader<Work> queue)
    {
        try
        {
            return queue.WaitToReadAsync(_stopping.Token).AsTask().GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    [LoggerMessage(1, LogLevel.Information, "The local model {Model} was loaded in {DurationMilliseconds:0} ms")]
    private partial void LogLoaded(string model, double durationMilliseconds);

    [LoggerMessage(2, LogLevel.Information, "The local model {Model} was given back: nobody has asked for long")]
    private partial void LogUnloaded(string model);

    private sealed class Work(LocalModelSession session, string text, LocalVector[] vectors, int place, CancellationToken cancellationToken)
    {
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Compute()
        {
            if (cancellationToken.IsCancellationRequested)
            {
                Done.TrySetCanceled(cancellationToken);
                return;
            }

            try
            {
                var (vector, tokens, lost) = session.Embed(text);
                vectors[place] = new LocalVector(vector, tokens, lost);
                Done.TrySetResult();
            }
#pragma warning disable CA1031 // Whatever the native library throws is this text's fate, not the thread's.
            catch (Exception e)
#pragma warning restore CA1031
            {
                Done.TrySetException(e);
            }
        }
    }
}
