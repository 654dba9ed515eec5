namespace RagPlatform.Contracts;

/// <content>Operating a workspace: dead letters, pausing, indexing again, following changes.</content>
public sealed partial class RagClient
{
    /// <summary>Dead letters by document.</summary>
    public Task<Page<DeadLetter>> ListDeadLettersAsync(
        string workspace, string? cause = null, string? cursor = null, int limit = 100, CancellationToken cancellationToken = default) =>
        SendAsync<Page<DeadLetter>>(
            HttpMethod.Get,
            $"v1/workspaces/{Escape(workspace)}/dead-letters?limit={limit}{Query("cause", cause)}{Cursor(cursor)}",
            null,
            null,
            cancellationToken);

    /// <summary>The causes of dead letters, most frequent first.</summary>
    public Task<Page<DeadLetterCause>> ListDeadLetterCausesAsync(string workspace, CancellationToken cancellationToken = default) =>
        SendAsync<Page<DeadLetterCause>>(HttpMethod.Get, $"v1/workspaces/{Escape(workspace)}/dead-letters/causes", null, null, cancellationToken);

    /// <summary>Queues dead letters again.</summary>
    public Task<OperationResult> ReplayDeadLettersAsync(
        string workspace, DeadLetterSelection selection, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResult>(HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/dead-letters/replay", selection, null, cancellationToken);

    /// <summary>Puts dead letters out of sight. Their documents stay not searchable.</summary>
    public Task<OperationResult> DiscardDeadLettersAsync(
        string workspace, DeadLetterSelection selection, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResult>(HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/dead-letters/discard", selection, null, cancellationToken);

    /// <summary>Pauses indexing: writes go on being queued.</summary>
    public Task<IndexingProgress> PauseIndexingAsync(string workspace, CancellationToken cancellationToken = default) =>
        SendAsync<IndexingProgress>(HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/indexing/pause", null, null, cancellationToken);

    /// <summary>Ends a pause.</summary>
    public Task<IndexingProgress> ResumeIndexingAsync(string workspace, CancellationToken cancellationToken = default) =>
        SendAsync<IndexingProgress>(HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/indexing/resume", null, null, cancellationToken);

    /// <summary>Empties the queue of a workspace.</summary>
    public Task<IndexingCancelled> CancelIndexingAsync(string workspace, CancellationToken cancellationToken = default) =>
        SendAsync<IndexingCancelled>(HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/indexing/cancel", null, null, cancellationToken);

    /// <summary>Indexes documents again.</summary>
    public Task<OperationResult> ReindexAsync(string workspace, ReindexRequest? request = null, CancellationToken cancellationToken = default) =>
        SendAsync<OperationResult>(
            HttpMethod.Post, $"v1/workspaces/{Escape(workspace)}/indexing/reindex", request ?? new(), null, cancellationToken);

    /// <summary>Changes behind a place. With <paramref name="wait"/> the answer comes once there are some, or after that time.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="after"><see cref="DocumentChanges.Next"/> of the answer before; null for the oldest change that is kept; <c>end</c> for the newest.</param>
    /// <param name="limit">Changes, at most: 1 to 1,000.</param>
    /// <param name="wait">How long to wait for a change.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<DocumentChanges> ListChangesAsync(
        string workspace, string? after = null, int limit = 100, TimeSpan? wait = null, CancellationToken cancellationToken = default) =>
        SendAsync<DocumentChanges>(
            HttpMethod.Get, $"v1/workspaces/{Escape(workspace)}/changes?limit={limit}{Query("after", after)}", null, wait, cancellationToken);

    private static string Query(string name, string? value) => value is null ? "" : $"&{name}={Uri.EscapeDataString(value)}";
}
