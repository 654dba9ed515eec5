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
