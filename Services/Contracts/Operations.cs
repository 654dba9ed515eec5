using System.ComponentModel.DataAnnotations;

namespace RagPlatform.Contracts;

/// <summary>A document that could not be indexed, and waits for a person.</summary>
/// <param name="DocumentId">The document.</param>
/// <param name="Space">The embedding space that it could not be indexed in.</param>
/// <param name="Revision">The document's revision then.</param>
/// <param name="Cause">A short, stable word for the kind of failure: <c>provider</c>, <c>timeout</c>, <c>text</c>, <c>cancelled</c>, ….</param>
/// <param name="Attempts">The attempts, oldest first.</param>
/// <param name="FailedAt">When it failed for good.</param>
/// <param name="DiscardedAt">When it was discarded, or null.</param>
public sealed record DeadLetter(
    string DocumentId,
    string Space,
    long Revision,
    string Cause,
    IReadOnlyList<IndexingAttempt> Attempts,
    DateTimeOffset FailedAt,
    DateTimeOffset? DiscardedAt);

/// <summary>Dead letters of one cause.</summary>
/// <param name="Cause">The cause.</param>
/// <param name="Count">How many there are.</param>
/// <param name="OldestAt">When the oldest failed.</param>
/// <param name="NewestAt">When the newest failed.</param>
/// <param name="Message">What the newest one's last attempt said.</param>
/// <param name="DocumentId">The newest one's document.</param>
public sealed record DeadLetterCause(
    string Cause, long Count, DateTimeOffset OldestAt, DateTimeOffset NewestAt, string Message, string DocumentId);

/// <summary>Which dead letters: by document, by cause, by both, or all of them.</summary>
/// <param name="Ids">Documents, at most 1,000.</param>
/// <param name="Cause">The cause.</param>
/// <param name="All">True when neither is given: so that nobody means all of them by accident.</param>
public sealed record DeadLetterSelection(
    [MinLength(1), MaxLength(DocumentLimits.MaxBatch)] IReadOnlyList<string>? Ids = null,
    [StringLength(100, MinimumLength = 1)] string? Cause = null,
    bool All = false) : IValidatableObject
{
    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (All == (Ids is not null || Cause is not null))
        {
            yield return new ValidationResult("Give ids, a cause, or both; or all: true.", [nameof(All)]);
        }
    }
}

/// <summary>How many an operation has affected.</summary>
/// <param name="Count">How many.</param>
public sealed record OperationResult(long Count);

/// <summary>What cancelling a workspace's indexing did.</summary>
/// <param name="Tasks">Tasks that were taken out of the queue.</param>
/// <param name="DeadLetters">Those of them whose document is not searchable with its present text: they are dead letters now, and can be replayed.</param>
public sealed record IndexingCancelled(long Tasks, long DeadLetters);

/// <summary>A workspace's share of the workers, against other workspaces that wait at the same time.</summary>
/// <param name="Weight">1 to 100; 1 unless it was set.</param>
public sealed record IndexingWeight([Range(1, 100)] int Weight);

/// <summary>Which documents to index again.</summary>
/// <param name="ChangedSince">Only documents that were written since then; null for all.</param>
/// <param name="Priority">How soon, against other documents.</param>
public sealed record ReindexRequest(DateTimeOffset? ChangedSince = null, DocumentPriority Priority = DocumentPriority.Low);

/// <summary>A reindexing that goes on by itself, also after a restart of anything.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Workspace">The workspace; null for all.</param>
/// <param name="ChangedSince">Only documents that were written since then; null for all.</param>
/// <param name="Queued">Documents that have been queued so far.</param>
/// <param name="StartedAt">When it was asked for.</param>
/// <param name="FinishedAt">When the last document was queued, or null.</param>
public sealed record ReindexJob(
    long Id, string? Workspace, DateTimeOffset? ChangedSince, long Queued, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt);

/// <summary>How far a workspace's queue is, at one moment.</summary>
/// <param name="At">The moment.</param>
/// <param name="Queued">Tasks that wait for a worker or are in work.</param>
/// <param name="Retrying">Tasks that failed and wait for their next attempt.</param>
/// <param name="DeadLettered">Tasks that failed for good.</param>
/// <param name="PerSecond">By how many tasks a second the queue has become shorter lately; 0 when it does not.</param>
/// <param name="SecondsLeft">After how many seconds it would be empty at that rate; null when that cannot be said.</param>
/// <param name="PausedAt">Since when indexing is paused, or null.</param>
/// <param name="Reindexing">Whether a reindexing of the workspace, or of everything, still queues documents.</param>
public sealed record IndexingProgress(
    DateTimeOffset At,
    long Queued,
    long Retrying,
    long DeadLettered,
    double PerSecond,
    double? SecondsLeft,
    DateTimeOffset? PausedAt,
    bool Reindexing = false);

/// <summary>What a change was.</summary>
public enum DocumentChangeKind
{
    /// <summary>The document is new.</summary>
    Insert,

    /// <summary>It was there, and is different.</summary>
    Update,

    /// <summary>It is gone.</summary>
    Delete,
}

/// <summary>A change of a document.</summary>
/// <param name="DocumentId">The document.</param>
/// <param name="Revision">Its revision after the change.</param>
/// <param name="Kind">What it was.</param>
/// <param name="At">When it was made.</param>
public sealed record DocumentChange(string DocumentId, long Revision, DocumentChangeKind Kind, DateTimeOffset At);

/// <summary>Changes of a workspace, oldest first.</summary>
/// <param name="Items">The changes.</param>
/// <param name="Next">Pass it as <c>after</c> to go on behind them; also when there were none.</param>
/// <param name="More">Whether there are more already.</param>
public sealed record DocumentChanges(IReadOnlyList<DocumentChange> Items, string Next, bool More);
