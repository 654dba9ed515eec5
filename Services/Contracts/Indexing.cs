namespace RagPlatform.Contracts;

/// <summary>An attempt to index a document that failed.</summary>
/// <param name="At">When it failed.</param>
/// <param name="Cause">A short, stable word for the kind of failure: <c>provider</c>, <c>timeout</c>, <c>text</c>, ….</param>
/// <param name="Message">What happened, without text of the document.</param>
public sealed record IndexingAttempt(DateTimeOffset At, string Cause, string Message);

/// <summary>Why tasks wait, though nothing is wrong with their documents: no attempt is counted, and they go on by themselves.</summary>
/// <param name="Cause">
/// <c>budget</c>: the workspace's is used up, and changing it ends the rest; else what is wrong with the embedding service or its provider:
/// <c>unreachable</c>, <c>timeout</c>, <c>rate</c>, <c>provider</c>, <c>refused</c>, <c>model</c>, ….
/// </param>
/// <param name="Message">What happened; of a budget, when it begins anew.</param>
/// <param name="Until">When they are tried again, at the latest; just past: they are being tried.</param>
/// <param name="Space">The embedding space that the tasks are for.</param>
public sealed record IndexingRest(string Cause, string Message, DateTimeOffset Until, string Space);

/// <summary>Where the newest revision of a document stands.</summary>
/// <param name="Id">The document.</param>
/// <param name="Revision">Its newest revision.</param>
/// <param name="State">Whether that revision is searchable.</param>
/// <param name="Chunks">Chunks that are searchable now.</param>
/// <param name="Attempts">Failed attempts at this revision, oldest first; at most 10.</param>
/// <param name="NextAttemptAt">When it is tried again, if it is retrying.</param>
/// <param name="Rests">Why it is left alone at the moment, if it waits and is; at most 10 reasons.</param>
public sealed record DocumentIndexing(
    string Id,
    long Revision,
    IndexingState State,
    int Chunks,
    IReadOnlyList<IndexingAttempt> Attempts,
    DateTimeOffset? NextAttemptAt,
    IReadOnlyList<IndexingRest>? Rests = null);

/// <summary>Where a workspace stands.</summary>
/// <param name="Documents">Documents.</param>
/// <param name="Chunks">Chunks that are searchable.</param>
/// <param name="Queued">Tasks that wait for a worker or are in work.</param>
/// <param name="Retrying">Tasks that failed and wait for their next attempt.</param>
/// <param name="DeadLettered">Tasks that failed for good.</param>
/// <param name="OldestQueuedAt">When the oldest waiting task was raised.</param>
/// <param name="Generation">The workspace's generation.</param>
/// <param name="Reindexing">Whether a reindexing of the workspace, or of everything, still queues documents.</param>
/// <param name="Rests">Why tasks are left alone at the moment, if they are; at most 10 reasons.</param>
public sealed record WorkspaceIndexing(
    long Documents,
    long Chunks,
    long Queued,
    long Retrying,
    long DeadLettered,
    DateTimeOffset? OldestQueuedAt,
    long Generation,
    bool Reindexing = false,
    IReadOnlyList<IndexingRest>? Rests = null);
