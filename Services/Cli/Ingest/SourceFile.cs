using System.Text.Json;

namespace RagPlatform.Cli.Ingest;

/// <summary>How a file is read.</summary>
internal enum SourceKind
{
    /// <summary>Markdown: one document, titled by its front matter or first heading.</summary>
    Markdown,

    /// <summary>Plain text: one document, titled by its name.</summary>
    Text,

    /// <summary>HTML: one document, its text with headings as Markdown.</summary>
    Html,

    /// <summary>BEIR's <c>corpus.jsonl</c>: a document on each line.</summary>
    Corpus,
}

/// <summary>A file to be ingested.</summary>
/// <param name="FullPath">Where it is.</param>
/// <param name="RelativePath">Its path below the root that was given, with '/'.</param>
/// <param name="Root">What was given.</param>
/// <param name="Kind">How it is read.</param>
/// <param name="Length">Its size in bytes.</param>
internal sealed record SourceFile(string FullPath, string RelativePath, SourceRoot Root, SourceKind Kind, long Length);

/// <summary>A document as it will be put.</summary>
/// <param name="Id">Its id in the workspace.</param>
/// <param name="Title">Its title.</param>
/// <param name="Text">Its text.</param>
/// <param name="Metadata">Its metadata, an object.</param>
/// <param name="Fingerprint">SHA-256 of all that it was made of, in hexadecimal: the same means the same document.</param>
internal sealed record SourceDocument(string Id, string Title, string Text, JsonElement Metadata, string Fingerprint);

/// <summary>A document that does not go in.</summary>
/// <param name="Document">Its id, or where it is when it has none.</param>
/// <param name="Reason">Why, as a clause.</param>
internal sealed record Refusal(string Document, string Reason);

/// <summary>What a file yields: a document, a refusal, or one that is known to be there already.</summary>
/// <param name="Id">The id; null when it could not be read.</param>
/// <param name="Document">The document.</param>
/// <param name="Refusal">Why there is none.</param>
/// <param name="Bytes">How much of the file it took.</param>
internal readonly record struct SourceItem(string? Id, SourceDocument? Document, Refusal? Refusal, long Bytes)
{
    /// <summary>Pieces of a page that are no content, such as navigation.</summary>
    public int LeftOut { get; init; }

    /// <summary>Whether a page had nothing but links, and is left out as a whole.</summary>
    public bool IsLinksOnly { get; init; }

    /// <summary>Whether the document has a title only.</summary>
    public bool IsEmpty { get; init; }
}
