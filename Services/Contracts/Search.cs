using System.ComponentModel.DataAnnotations;
using System.Text.Json;

namespace RagPlatform.Contracts;

/// <summary>How passages are found.</summary>
public enum SearchMode
{
    /// <summary>Keyword and vector search, fused by reciprocal rank.</summary>
    Hybrid,

    /// <summary>BM25 over words.</summary>
    Keyword,

    /// <summary>Nearest vectors by cosine similarity.</summary>
    Vector,
}

/// <summary>What a hit is.</summary>
public enum SearchGrouping
{
    /// <summary>Each passage is a hit of its own.</summary>
    Passage,

    /// <summary>A document is one hit, represented by its best passage.</summary>
    Document,
}

/// <summary>What the caller wants to find.</summary>
/// <param name="Query">The text to search for, 1 to 4,096 characters.</param>
/// <param name="Mode">How passages are found.</param>
/// <param name="Limit">The most hits to return, 1 to 200.</param>
/// <param name="Offset">How many hits to skip, 0 to 10,000.</param>
/// <param name="Filter">A condition on the documents' metadata, as a JSON object: see docs/filters.md.</param>
/// <param name="MinScore">Hits below it are left out. Its scale is the mode's own: cosine (−1 to 1), BM25 (≥ 0) or fused reciprocal rank.</param>
/// <param name="GroupBy">What a hit is.</param>
public sealed record SearchRequest(
    [Required, StringLength(4096, MinimumLength = 1)] string Query,
    SearchMode Mode = SearchMode.Hybrid,
    [Range(1, 200)] int Limit = 10,
    [Range(0, 10_000)] int Offset = 0,
    JsonElement? Filter = null,
    double? MinScore = null,
    SearchGrouping GroupBy = SearchGrouping.Passage);

/// <summary>A passage that was found.</summary>
/// <param name="DocumentId">Its document.</param>
/// <param name="ChunkId">Names the chunk; stable as long as its text is.</param>
/// <param name="Ordinal">Its place among the chunks of the document, from 0.</param>
/// <param name="Score">Higher is better; comparable within one answer only.</param>
/// <param name="Title">The document's title.</param>
/// <param name="Heading">The headings above the passage, outermost first, joined by " › "; empty if there are none.</param>
/// <param name="Text">The passage.</param>
/// <param name="Metadata">The document's metadata.</param>
public sealed record SearchHit(
    string DocumentId,
    long ChunkId,
    int Ordinal,
    double Score,
    string Title,
    string Heading,
    string Text,
    JsonElement Metadata);

/// <summary>How long the parts of a search took, in milliseconds.</summary>
/// <param name="Total">From the request's arrival to the answer.</param>
/// <param name="Embedding">The query's embedding, which runs beside planning; 0 in keyword mode.</param>
/// <param name="Database">Waiting for PostgreSQL.</param>
public sealed record SearchTimings(double Total, double Embedding, double Database);

/// <summary>What was found, and how.</summary>
/// <param name="Hits">The hits, best first: min(limit, matches − offset) of them.</param>
/// <param name="Mode">The mode that was used.</param>
/// <param name="Plan">The access paths that were used, for instance <c>bm25+hnsw</c>, <c>exact</c>.</param>
/// <param name="Space">The embedding space that was searched.</param>
/// <param name="Generation">The workspace's generation that the answer reflects at least.</param>
/// <param name="Cached">Whether the answer came from the result cache.</param>
/// <param name="Timings">How long it took.</param>
public sealed record SearchResponse(
    IReadOnlyList<SearchHit> Hits,
    SearchMode Mode,
    string Plan,
    string Space,
    long Generation,
    bool Cached,
    SearchTimings Timings);
