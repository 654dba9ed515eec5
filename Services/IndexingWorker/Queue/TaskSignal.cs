namespace RagPlatform.IndexingWorker.Queue;

/// <summary>Wakes a loop when there may be something to do.</summary>
internal sealed class TaskSignal
{
    private readonly SemaphoreSlim _semaphore = new(0, 1);
    private int _news;

    /// <summary>How often somebody said that there is something new.</summary>
    public int News => Volatile.Read(ref _news);

    /// <summary>There is something new to do, not only room for what was there.</summary>
    public void SetNews()
    {
        Interlocked.Increment(ref _news);
        Set();
    }

    public void Set()
    {
        try
        {
            _semaphore.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is set.
        }
    }

    /// <summary>Waits for the signal, or for the token.</summary>
    public Task WaitAsync(CancellationToken cancellationToken) => _semaphore.WaitAsync(cancellationToken);

    /// <summary>Waits for the signal, at most for <paramref name="timeout"/>.</summary>
    public async Task WaitAsync(TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await _semaphore.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The time is over.
        }
    }
}

/// <summary>Wakes those who do what people ask for.</summary>
internal sealed class ControlSignal
{
    /// <summary>A workspace may have been paused or cancelled: some tasks may not be ours any more.</summary>
    public TaskSignal Tasks { get; } = new();

    /// <summary>A check may have been asked for.</summary>
    public TaskSignal Doctor { get; } = new();

    public void Set()
    {
        Tasks.Set();
        Doctor.Set();
    }
}
