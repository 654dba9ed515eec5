using System.ComponentModel.DataAnnotations;

namespace RagPlatform.Contracts;

/// <summary>An embedding space whose provider failed lately: nothing is sent to it for a while, and no document pays for it with an attempt.</summary>
/// <param name="Space">The space.</param>
/// <param name="Until">When it is tried again.</param>
/// <param name="Failures">Failures in a row.</param>
/// <param name="Cause"><c>unreachable</c>, <c>refused</c>, <c>budget</c>, <c>model</c>, <c>rate</c> or <c>provider</c>.</param>
/// <param name="Message">What happened.</param>
public sealed record SpaceCooldown(string Space, DateTimeOffset Until, int Failures, string Cause, string Message);

/// <summary>What the doctor is asked to do.</summary>
/// <param name="Workspace">Check this workspace; null for all.</param>
/// <param name="Repair">Whether to mend what is found.</param>
public sealed record DoctorRequest(
    [RegularExpression(WorkspaceCreate.NamePattern, ErrorMessage = WorkspaceCreate.NameRule)] string? Workspace = null, bool Repair = false);

/// <summary>How far a check is.</summary>
public enum DoctorCheckState
{
    /// <summary>It waits for a worker.</summary>
    Queued,

    /// <summary>A worker is at it.</summary>
    Running,

    /// <summary>It is done, and has a report.</summary>
    Done,

    /// <summary>It could not be done.</summary>
    Failed,
}

/// <summary>A check of the index, which a worker does.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Workspace">The workspace; null for all.</param>
/// <param name="Repair">Whether what is found is mended.</param>
/// <param name="Scheduled">Whether the schedule asked for it, rather than a person.</param>
/// <param name="State">How far it is.</param>
/// <param name="RequestedAt">When it was asked for.</param>
/// <param name="FinishedAt">When it ended, or null.</param>
/// <param name="Report">What was found; null as long as it is not done.</param>
/// <param name="Error">Why it failed, or null.</param>
public sealed record DoctorCheck(
    long Id,
    string? Workspace,
    bool Repair,
    bool Scheduled,
    DoctorCheckState State,
    DateTimeOffset RequestedAt,
    DateTimeOffset? FinishedAt,
    DoctorReport? Report,
    string? Error);

/// <summary>A fault that the doctor found.</summary>
/// <param name="Kind">
/// <c>missing</c>, <c>phantom</c>, <c>stale</c>, <c>wrong_space</c>, <c>bad_vector</c>, <c>wrong_workspace</c>, <c>duplicate</c>,
/// <c>orphan_chunk</c>, <c>lost_task</c> or <c>invalid_index</c>.
/// </param>
/// <param name="WorkspaceId">The workspace's number in the database; 0 when the fault is no workspace's.</param>
/// <param name="DocumentId">The document, if it is known.</param>
/// <param name="ChunkId">The chunk, if it is about one.</param>
/// <param name="Space">The space, if it is about one.</param>
public sealed record DoctorFault(string Kind, int WorkspaceId, string? DocumentId, long? ChunkId, string? Space);

/// <summary>What the doctor found.</summary>
/// <param name="Healthy">Whether documents, chunks, vectors and routes agree.</param>
/// <param name="Documents">Documents that were checked.</param>
/// <param name="Chunks">Chunks that were checked.</param>
/// <param name="Vectors">Vectors that were checked.</param>
/// <param name="Buckets">Buckets of which chunks and vectors were compared by hash.</param>
/// <param name="UnequalBuckets">Buckets that differed.</param>
/// <param name="FaultsByKind">How many faults of each kind.</param>
/// <param name="Faults">The faults, at most 1,000.</param>
/// <param name="Repaired">Whether they were mended; the workers index what was affected.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="CheckedAt">When it began.</param>
public sealed record DoctorReport(
    bool Healthy,
    long Documents,
    long Chunks,
    long Vectors,
    long Buckets,
    long UnequalBuckets,
    IReadOnlyDictionary<string, int> FaultsByKind,
    IReadOnlyList<DoctorFault> Faults,
    bool Repaired,
    double Seconds,
    DateTimeOffset CheckedAt);
