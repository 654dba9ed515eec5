using System.ComponentModel.DataAnnotations;
using System.Text.Json;

namespace RagPlatform.Contracts;

/// <summary>How soon a document's indexing is due, against other documents of all workspaces.</summary>
public enum DocumentPriority
{
    /// <summary>For bulk loads: after everything else.</summary>
    Low,

    /// <summary>The default.</summary>
    Normal,

    /// <summary>Before everything else: somebody waits for it.</summary>
    High,
}

/// <summary>A document as the caller puts it. What is left out is empty.</summary>
/// <param name="Text">The text to search in: at most 2,000,000 characters; empty removes its passages from search.</param>
/// <param name="Title">Its title, part of keyword search: at most 1,000 characters.</param>
/// <param name="Metadata">A JSON object that filters refer to: at most 64 KiB.</param>
/// <param name="Priority">How soon it is indexed.</param>
/// <param name="Chunks">
/// The document as prepared chunks, in order, at most 2,000: nothing is cut then. Without a text, the chunks' texts with empty lines between are the
/// text; with one, each chunk must stand in it.
/// </param>
public sealed record DocumentPut(
    [StringLength(DocumentLimits.MaxTextLength)] string? Text = null,
    [StringLength(DocumentLimits.MaxTitleLength)] string Title = "",
    JsonElement? Metadata = null,
    DocumentPriority Priority = DocumentPriority.Normal,
    [MaxLength(DocumentLimits.MaxChunks)] IReadOnlyList<PreparedChunk>? Chunks = null);

/// <summary>A chunk that the caller has prepared.</summary>
/// <param name="Text">Its text: 1 to 8,192 characters, not only white space.</param>
/// <param name="Vector">
/// Its vector in the space that serves the workspace: as many numbers as the space has dimensions, finite, not all zero. Brought to unit length
/// where the space's vectors have it. Without one it is computed. Of chunks with the same text in a document, the first vector counts for all.
/// </param>
/// <param name="Heading">The headings above it: at most 1,000 characters.</param>
/// <param name="Start">Characters (UTF-16) before it in the document's text; found by itself when it is left out. Only with a text.</param>
/// <param name="Overlap">
/// Characters at its beginning that repeat a chunk before it, such as the header of a table: fewer than it has. With 'start' they may differ
/// from what the document's text has there.
/// </param>
public sealed record PreparedChunk(
    [Required, StringLength(DocumentLimits.MaxChunkLength, MinimumLength = 1)] string Text,
    IReadOnlyList<float>? Vector = null,
    [StringLength(DocumentLimits.MaxTitleLength)] string Heading = "",
    int? Start = null,
    int Overlap = 0);

/// <summary>One document of a batch.</summary>
/// <param name="Id">The caller's own id, unique in the workspace: see <see cref="DocumentLimits"/>.</param>
/// <param name="Text">As in <see cref="DocumentPut"/>.</param>
/// <param name="Title">As in <see cref="DocumentPut"/>.</param>
/// <param name="Metadata">As in <see cref="DocumentPut"/>.</param>
/// <param name="Priority">As in <see cref="DocumentPut"/>.</param>
/// <param name="Chunks">As in <see cref="DocumentPut"/>.</param>
public sealed record BatchDocument(
    [Required, StringLength(DocumentLimits.MaxIdLength, MinimumLength = 1)] string Id,
    [StringLength(DocumentLimits.MaxTextLength)] string? Text = null,
    [StringLength(DocumentLimits.MaxTitleLength)] string Title = "",
    JsonElement? Metadata = null,
    DocumentPriority Priority = DocumentPriority.Normal,
    [MaxLength(DocumentLimits.MaxChunks)] IReadOnlyList<PreparedChunk>? Chunks = null);

/// <summary>A page of a workspace's documents with their chunks, each in the form in which it can be put again.</summary>
/// <param name="Space">The space of the vectors.</param>
/// <param name="Items">The documents, by id. One without chunks is put as text.</param>
/// <param name="NextCursor">Pass it as <c>cursor</c> to get the next page; null behind the last document.</param>
public sealed record ExportPage(string Space, IReadOnlyList<BatchDocument> Items, string? NextCursor);

/// <summary>Documents that are put together: all in one transaction, or none.</summary>
/// <param name="Documents">1 to 1,000 documents with different ids.</param>
public sealed record DocumentBatch(
    [Required, MinLength(1), MaxLength(DocumentLimits.MaxBatch)] IReadOnlyList<BatchDocument> Documents);

/// <summary>Limits of documents. An id is 1 to 512 characters without control characters, without "%2F", and without "." or ".." between slashes.</summary>
public static class DocumentLimits
{
    /// <summary>Characters of an id.</summary>
    public const int MaxIdLength = 512;

    /// <summary>Characters of a text.</summary>
    public const int MaxTextLength = 2_000_000;

    /// <summary>Prepared chunks of a document.</summary>
    public const int MaxChunks = 2_000;

    /// <summary>Characters of a prepared chunk.</summary>
    public const int MaxChunkLength = 8_192;

    /// <summary>Characters of a title.</summary>
    public const int MaxTitleLength = 1_000;

    /// <summary>Bytes of the metadata, as JSON in UTF-8.</summary>
    public const int MaxMetadataBytes = 64 * 1024;

    /// <summary>Documents of a batch.</summary>
    public const int MaxBatch = 1_000;

    /// <summary>Bytes of a request body.</summary>
    public const int MaxBodyBytes = 32 * 1024 * 1024;
}

/// <summary>Whether a document can be found.</summary>
public enum IndexingState
{
    /// <summary>Its newest revision is searchable in every space of the workspace's route.</summary>
    Indexed,

    /// <summary>Waits for a worker, or is being worked on.</summary>
    Queued,

    /// <summary>Failed, and will be tried again by itself.</summary>
    Retrying,

    /// <summary>Failed for good: a person has to replay or discard it.</summary>
    DeadLettered,
}

/// <summary>What a write did.</summary>
/// <param name="Id">The document.</param>
/// <param name="Revision">The document's revision after the write: grows with each change.</param>
/// <param name="State">Whether this revision is searchable.</param>
/// <param name="Changed">False when the document already was as it was put.</param>
public sealed record DocumentWrite(string Id, long Revision, IndexingState State, bool Changed);

/// <summary>What a batch did, in the order of the request.</summary>
/// <param name="Documents">One entry for each document of the batch.</param>
public sealed record DocumentBatchResult(IReadOnlyList<DocumentWrite> Documents);

/// <summary>A stored document.</summary>
public sealed record Document(
    string Id,
    string Title,
    string Text,
    JsonElement Metadata,
    DocumentPriority Priority,
    long Revision,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt);

/// <summary>A document in a list: everything but its text.</summary>
public sealed record DocumentSummary(
    string Id,
    string Title,
    JsonElement Metadata,
    long Revision,
    int TextLength,
    IndexingState State,
    DateTimeOffset UpdatedAt);
