namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>A document cannot be indexed as it is; others can. Costs it an attempt.</summary>
/// <param name="cause">A short, stable word.</param>
/// <param name="message">What happened, without text of the document.</param>
/// <param name="inner">The exception behind it.</param>
internal sealed class DocumentFailedException(string cause, string message, Exception? inner = null) : Exception(message, inner)
{
    public string Cause { get; } = cause;
}

/// <summary>Many documents have to wait for the same reason: it is written down once, before any of them is given back.</summary>
/// <param name="message">What happened.</param>
/// <param name="inner">The exception behind it.</param>
internal abstract class RestException(string message, Exception? inner) : Exception(message, inner)
{
    private readonly Lock _lock = new();
    private Task? _written;

    /// <summary>Writes the reason down, unless somebody has or does; waits until it is.</summary>
    public Task WriteOnceAsync(Func<Task> write)
    {
        lock (_lock)
        {
            return _written ??= write();
        }
    }
}

/// <summary>Nothing can be embedded in a space at the moment. Costs no document an attempt.</summary>
/// <param name="cause">A short, stable word.</param>
/// <param name="message">What happened.</param>
/// <param name="inner">The exception behind it.</param>
internal sealed class SpaceUnavailableException(string cause, string message, Exception? inner = null) : RestException(message, inner)
{
    public string Cause { get; } = cause;
}

/// <summary>A budget of a workspace is used up: its tasks rest until it begins anew or is changed. Costs no document an attempt, and others nothing.</summary>
/// <param name="message">What happened.</param>
/// <param name="resetsAt">When the budget begins anew, if that is known.</param>
/// <param name="inner">The exception behind it.</param>
internal sealed class BudgetSpentException(string message, DateTimeOffset? resetsAt, Exception? inner = null) : RestException(message, inner)
{
    public DateTimeOffset? ResetsAt { get; } = resetsAt;
}
