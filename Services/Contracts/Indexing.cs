namespace RagPlatform.Contracts;

/// <summary>An attempt to index a document that failed.</summary>
/// <param name="At">When it failed.</param>
/// <param name="Cause">A short, stable word for the kind of failure: <c>provider</c>, <c>timeout</c>, <c>text</c>, ….</param>
/// <param name="Message">What happened, without text of the document.</param>
public sealed record IndexingAttempt(DateTimeOffset At, string Cause, string Message);

/// <summary>Where the newest revision of a document stands.</summary>
/// <param name="Id">The document.</param>
/// <param name="Revision">Its newest revision.</param>
/// <param name="State">Whether that revision is searchable.</param>
/// <param name="Chunks">Chunks that are searchable now.</param>
/// <param name="Attempts">Failed attempts at this revision, oldest first; at most 10.</param>
/// <param name="NextAttemptAt">When it is tried again, if it is retrying.</param>
public sealed record DocumentIndexing(
    string Id,
    long Revision,
    IndexingState State,
    int Chunks,
    IReadOnlyList<IndexingAttempt> Attempts,
    DateTimeOffset? NextAttemptAt);

/// <summary>Where a workspace stands.</summary>
/// <param name="Documents">Documents.</param>
/// <param name="Chunks">Chunks that are searchable.</param>
/// <param name="Queued">Tasks that wait for a worker or are in work.</param>
/// <param name="Retrying">Tasks that failed and wait for their next attempt.</param>
/// <param name="DeadLettered">Tasks that failed for good.</param>
/// <param name="OldestQueuedAt">When the oldest waiting task was raised.</param>
/// <param name="Generation">The workspace's generation.</param>
/// <param name="Reindexing">Whether a reindexing of the workspace, or of everything, still queues documents.</param>
public sealed record WorkspaceIndexing(
    long Documents,
    long Chunks,
    long Queued,
    long Retrying,
    long DeadLettered,
    DateTimeOffset? OldestQueuedAt,
    long Generation,
    bool Reindexing = false);
