namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>A document cannot be indexed as it is; others can. Costs it an attempt.</summary>
/// <param name="cause">A short, stable word.</param>
/// <param name="message">What happened, without text of the document.</param>
/// <param name="inner">The exception behind it.</param>
internal sealed class DocumentFailedException(string cause, string message, Exception? inner = null) : Exception(message, inner)
{
    public string Cause { get; } = cause;
}

/// <summary>Nothing can be embedded in a space at the moment. Costs no document an attempt.</summary>
/// <param name="cause">A short, stable word.</param>
/// <param name="message">What happened.</param>
/// <param name="inner">The exception behind it.</param>
internal sealed class SpaceUnavailableException(string cause, string message, Exception? inner = null) : Exception(message, inner)
{
    public string Cause { get; } = cause;
}

/// <summary>A budget of a workspace is used up: its tasks rest until it begins anew or is changed. Costs no document an attempt, and others nothing.</summary>
/// <param name="message">What happened.</param>
/// <param name="resetsAt">When the budget begins anew, if that is known.</param>
/// <param name="inner">The exception behind it.</param>
internal sealed class BudgetSpentException(string message, DateTimeOffset? resetsAt, Exception? inner = null) : Exception(message, inner)
{
    public DateTimeOffset? ResetsAt { get; } = resetsAt;
}
