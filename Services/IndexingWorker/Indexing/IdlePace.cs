using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>
/// Lets those who look for work now and then look less and less often while there is none. Whatever makes work (a change of a document, a wish of an
/// operator) stirs all of them. Where no notification arrives, nothing stirs, and they look as often as ever.
/// </summary>
internal sealed class IdlePace(NotificationListener listener, TimeProvider time)
{
    /// <summary>How many times the interval the longest rest is.</summary>
    public const int Slowest = 15;

    private TaskCompletionSource _stirred = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether rests may be long.</summary>
    public bool MayRest => listener.Hears;

    /// <summary>Completes when something happens. Take it before looking for work, so that nothing falls between.</summary>
    public Task Next => Volatile.Read(ref _stirred).Task;

    /// <summary>There may be work.</summary>
    public void Stir() => Interlocked.Exchange(ref _stirred, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    /// <summary>Rests for one interval, and for further ones while nothing happens.</summary>
    /// <param name="stirred">What <see cref="Next"/> was before the work was looked for.</param>
    /// <param name="interval">The interval.</param>
    /// <param name="intervals">How many, at most.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>How many the next rest may have, should nothing be found again.</returns>
    public async Task<int> RestAsync(Task stirred, TimeSpan interval, int intervals, CancellationToken cancellationToken)
    {
        await Task.Delay(interval, time, cancellationToken);
        if (intervals > 1 && MayRest)
        {
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(stirred, Task.Delay(interval * (intervals - 1), time, enough.Token));
            await enough.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }

        return stirred.IsCompleted || !MayRest ? 1 : Math.Min(2 * intervals, Slowest);
    }
}
