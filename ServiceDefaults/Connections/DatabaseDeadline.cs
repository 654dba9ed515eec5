namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>
/// Waits for the database for so long and no longer. Its driver ends a command that was cancelled only when the server has said so, or seconds later:
/// a server that is frozen, or behind a network that swallows everything, would keep callers waiting far beyond their own deadlines.
/// </summary>
public static class DatabaseDeadline
{
    /// <summary>How long what every request needs may take: its key, its workspace, a document.</summary>
    /// <value>5 seconds.</value>
    public static TimeSpan Short { get; } = TimeSpan.FromSeconds(5);

    /// <summary>Runs something that touches nothing but the database and what it returns: it may go on for a moment when nobody waits any more.</summary>
    /// <param name="operation">It; its token is cancelled when the time is over.</param>
    /// <param name="limit">How long to wait.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">The caller's.</param>
    /// <exception cref="TimeoutException">The time is over. What was to be written may be written all the same.</exception>
    public static async Task<T> WaitAsync<T>(
        Func<CancellationToken, Task<T>> operation, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(operation);

        // Not disposed while the operation goes on.
        var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = operation(end.Token);
        _ = running.ContinueWith(
            task =>
            {
                _ = task.Exception;
                end.Dispose();
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        try
        {
            return await running.WaitAsync(limit, time, cancellationToken);
        }
        catch (TimeoutException) when (!running.IsCompleted)
        {
            // The driver asks the server to cancel within the call: that is not for the one who waits.
            _ = Task.Run(
                () =>
                {
                    try
                    {
                        end.Cancel();
                    }
                    catch (ObjectDisposedException)
                    {
                        // It has ended this moment.
                    }
                },
                CancellationToken.None);
            throw;
        }
    }
}

/// <summary>What was last seen of the database's disk.</summary>
public sealed class DatabaseCondition(TimeProvider time)
{
    // Writers try again every few seconds: without another failure in that time there is room again, or nobody writes.
    private static readonly TimeSpan s_memory = TimeSpan.FromSeconds(15);

    private const long Never = long.MinValue;

    private long _fullAt = Never;

    /// <summary>Whether a write failed lately because the disk is full.</summary>
    public bool IsDiskFull => Volatile.Read(ref _fullAt) is not Never and var at && time.GetElapsedTime(at) < s_memory;

    /// <summary>Remembers a failure, if it says something about the disk.</summary>
    public void Note(Exception failure)
    {
        if (DatabaseFailure.Classify(failure) == DatabaseTrouble.DiskFull)
        {
            Volatile.Write(ref _fullAt, time.GetTimestamp());
        }
    }
}
