namespace RagPlatform.SearchApi.Search;

/// <summary>
/// The end of a search, whatever it waits for. Cancelling a statement takes a second connection to the database: one that is frozen answers that as little as
/// the statement, so who waits goes on without.
/// </summary>
internal sealed class SearchDeadline : IDisposable
{
    private readonly CancellationTokenSource _over;
    private readonly CancellationTokenSource _linked;
    private readonly CancellationToken _caller;

    /// <summary>A deadline that begins now.</summary>
    /// <param name="timeout">How long it is until then.</param>
    /// <param name="time">The clock.</param>
    /// <param name="caller">Cancels earlier.</param>
    /// <param name="began">When waiting began, if that was before: a timestamp of the clock.</param>
    public SearchDeadline(TimeSpan timeout, TimeProvider time, CancellationToken caller, long? began = null)
    {
        if (began is { } earlier)
        {
            timeout = TimeSpan.FromTicks(Math.Max(TimeSpan.TicksPerMillisecond, (timeout - time.GetElapsedTime(earlier)).Ticks));
        }

        _caller = caller;
        _over = new CancellationTokenSource(timeout, time);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(_over.Token, caller);
    }

    /// <summary>Cancels the work.</summary>
    public CancellationToken Token => _linked.Token;

    /// <summary>Waits for work, but not beyond the deadline.</summary>
    /// <exception cref="TimeoutException">The deadline is over.</exception>
    /// <exception cref="OperationCanceledException">The caller has gone.</exception>
    public async Task<T> WaitAsync<T>(Task<T> work)
    {
        try
        {
            return await work.WaitAsync(Token);
        }
        catch (Exception e) when (_over.IsCancellationRequested && !_caller.IsCancellationRequested && e is not SearchOverloadException)
        {
            Searcher.Observe(work);
            throw new TimeoutException("The search took too long.", e);
        }
        catch (OperationCanceledException)
        {
            Searcher.Observe(work);
            throw;
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _linked.Dispose();
        _over.Dispose();
    }
}
