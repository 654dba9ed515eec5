using System.Globalization;

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

    /// <summary>Indexes documents again, in the background. <see cref="GetIndexingAsync"/> says when nothing is left to do.</summary>
    /// <param name="workspace">The workspace; null for all, which needs the admin key.</param>
    /// <param name="request">Which documents; null for all.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<ReindexJob> ReindexAsync(string? workspace, ReindexRequest? request = null, CancellationToken cancellationToken = default) =>
        SendAsync<ReindexJob>(HttpMethod.Post, $"{Scope(workspace)}/indexing/reindex", request ?? new(), null, cancellationToken);

    /// <summary>A reindexing, or null if there is none of that id.</summary>
    /// <param name="workspace">The workspace whose it is; null for any, which needs the admin key.</param>
    /// <param name="id">Its id.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<ReindexJob?> FindReindexJobAsync(string? workspace, long id, CancellationToken cancellationToken = default) =>
        FindAsync<ReindexJob>(string.Create(CultureInfo.InvariantCulture, $"{Scope(workspace)}/reindex-jobs/{id}"), cancellationToken);

    /// <summary>Reindexings, newest first, at most 100.</summary>
    /// <param name="workspace">The workspace whose they are; null for all, which needs the admin key.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<Page<ReindexJob>> ListReindexJobsAsync(string? workspace, CancellationToken cancellationToken = default) =>
        SendAsync<Page<ReindexJob>>(HttpMethod.Get, $"{Scope(workspace)}/reindex-jobs", null, null, cancellationToken);

    /// <summary>Sets a workspace's share of the workers against others that wait, 1 to 100. Needs the admin key.</summary>
    public Task WeighIndexingAsync(string workspace, int weight, CancellationToken cancellationToken = default) =>
        SendAsync<IndexingWeight>(
            HttpMethod.Put, $"{Scope(workspace)}/indexing/weight", new IndexingWeight(weight), null, cancellationToken);

    /// <summary>Asks for a check of the index. Needs the admin key.</summary>
    public Task<DoctorCheck> RequestDoctorCheckAsync(DoctorRequest request, CancellationToken cancellationToken = default) =>
        SendAsync<DoctorCheck>(HttpMethod.Post, "v1/indexing/doctor", request, null, cancellationToken);

    /// <summary>A check of the index, or null if there is none of that id. Needs the admin key.</summary>
    public Task<DoctorCheck?> FindDoctorCheckAsync(long id, CancellationToken cancellationToken = default) =>
        FindAsync<DoctorCheck>(string.Create(CultureInfo.InvariantCulture, $"v1/indexing/doctor-checks/{id}"), cancellationToken);

    /// <summary>Checks of the index, newest first, at most 20. Needs the admin key.</summary>
    public Task<Page<DoctorCheck>> ListDoctorChecksAsync(CancellationToken cancellationToken = default) =>
        SendAsync<Page<DoctorCheck>>(HttpMethod.Get, "v1/indexing/doctor-checks", null, null, cancellationToken);

    /// <summary>Embedding spaces whose provider failed lately. Needs the admin key.</summary>
    public Task<Page<SpaceCooldown>> ListCooldownsAsync(CancellationToken cancellationToken = default) =>
        SendAsync<Page<SpaceCooldown>>(HttpMethod.Get, "v1/indexing/cooldowns", null, null, cancellationToken);

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

    private static string Scope(string? workspace) => workspace is null ? "v1" : $"v1/workspaces/{Escape(workspace)}";

    private static string Query(string name, string? value) => value is null ? "" : $"&{name}={Uri.EscapeDataString(value)}";
}
