using Pgvector;

namespace RagPlatform.Storage.ReadModel;

/// <summary>A row of <c>workspaces</c>.</summary>
public sealed class Workspace
{
    public int WorkspaceId { get; init; }

    public required string Name { get; set; }

    public required string Language { get; set; }

    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Since when it is invisible; its rows are removed in the background.</summary>
    public DateTimeOffset? DeletedAt { get; init; }

    public int IndexingWeight { get; set; }

    public DateTimeOffset? IndexingPausedAt { get; set; }

    public List<Document> Documents { get; } = [];
}

/// <summary>A row of <c>documents</c>.</summary>
public sealed class Document
{
    public int WorkspaceId { get; init; }

    public long DocumentKey { get; init; }

    /// <summary>The caller's id.</summary>
    public required string DocumentId { get; init; }

    public required string Title { get; set; }

    public required string Text { get; set; }

    /// <summary>A JSON object; <c>EF.Functions.JsonContains</c> is the operator <c>@&gt;</c>.</summary>
    public required string Metadata { get; set; }

    public short Priority { get; set; }

    /// <summary>Set by triggers and writers; grows with each change.</summary>
    public long Revision { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset UpdatedAt { get; init; }

    public Workspace? Workspace { get; init; }

    public List<Passage> Passages { get; } = [];
}

/// <summary>A row of <c>chunks</c>.</summary>
public sealed class Passage
{
    public int WorkspaceId { get; init; }

    public long ChunkId { get; init; }

    public long DocumentKey { get; init; }

    /// <summary>The first 16 bytes of SHA-256 of the text in UTF-8.</summary>
    public required byte[] ContentHash { get; init; }

    public int Occurrence { get; init; }

    public int Ordinal { get; init; }

    public int StartOffset { get; init; }

    public int Overlap { get; init; }

    public required string Heading { get; init; }

    public required string Text { get; init; }

    public Document? Document { get; init; }
}

/// <summary>A row of <c>tasks</c>: the queue.</summary>
public sealed class QueuedTask
{
    public int WorkspaceId { get; init; }

    public required string DocumentId { get; init; }

    public int SpaceId { get; init; }

    public long Revision { get; init; }

    public long Version { get; init; }

    public short Priority { get; init; }

    public DateTimeOffset RaisedAt { get; init; }

    public DateTimeOffset VisibleAt { get; init; }

    public int Attempts { get; init; }

    public Guid? LeaseOwner { get; init; }

    public DateTimeOffset? LeasedUntil { get; init; }
}

/// <summary>A row of a space's table.</summary>
public abstract class SpaceVector
{
    public int WorkspaceId { get; init; }

    public long ChunkId { get; init; }

    public long DocumentKey { get; init; }

    public required byte[] ContentHash { get; init; }

    public Passage? Passage { get; init; }
}

/// <summary>A row of a space whose column is <c>vector(n)</c>.</summary>
public sealed class FullVector : SpaceVector
{
    public required Vector Embedding { get; init; }
}

/// <summary>A row of a space whose column is <c>halfvec(n)</c>.</summary>
public sealed class HalfPrecisionVector : SpaceVector
{
    public required HalfVector Embedding { get; init; }
}

/// <summary>A passage and how far its vector is from a query.</summary>
/// <param name="ChunkId">The passage.</param>
/// <param name="DocumentKey">Its document.</param>
/// <param name="Distance">Cosine distance, 0 (same direction) to 2.</param>
public sealed record NearPassage(long ChunkId, long DocumentKey, double Distance);
