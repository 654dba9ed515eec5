using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;

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

    /// <summary>Keyword for quoted phrases and identifiers, vector when there is no text, hybrid otherwise.</summary>
    Auto,
}

/// <summary>How hybrid search merges its two rankings.</summary>
public enum SearchFusion
{
    /// <summary>By reciprocal rank, with k = 60.</summary>
    ReciprocalRank,

    /// <summary>By the sum of both scores, each measured in standard deviations from its mean.</summary>
    Weighted,
}

/// <summary>How much an approximate index may miss, against time.</summary>
public enum SearchRecall
{
    /// <summary>Nearly all of the nearest, at a recall of 0.99 and more.</summary>
    Balanced,

    /// <summary>Fewer candidates.</summary>
    Fast,

    /// <summary>More candidates.</summary>
    High,

    /// <summary>Every vector is compared.</summary>
    Exact,
}

/// <summary>Raises the scores of some documents: a score is multiplied by 1 + weight × how much the boost applies.</summary>
/// <param name="Weight">0 to 100.</param>
/// <param name="Filter">Applies fully to documents that meet this condition, in the language of docs/filters.md.</param>
/// <param name="HalfLifeDays">Applies fully to a document that was changed just now, and half as much with each of so many days since.</param>
public sealed record SearchBoost(
    [Range(0.0, 100.0)] double Weight,
    JsonElement? Filter = null,
    [Range(0.01, 100_000.0)] double? HalfLifeDays = null);

/// <summary>What a hit is.</summary>
public enum SearchGrouping
{
    /// <summary>Each passage is a hit of its own.</summary>
    Passage,

    /// <summary>A document is one hit, represented by its best passage.</summary>
    Document,
}

/// <summary>What the caller wants to find.</summary>
/// <param name="Query">The text to search for, up to 4,096 characters. What is in double quotes must be there word by word, unless only vectors are searched.</param>
/// <param name="Mode">How passages are found.</param>
/// <param name="Limit">The most hits to return, 1 to 200.</param>
/// <param name="Offset">How many hits to skip, 0 to 10,000.</param>
/// <param name="Filter">A condition on the documents' metadata, as a JSON object: see docs/filters.md.</param>
/// <param name="MinScore">Hits below it are left out. Its scale is the mode's own: cosine (−1 to 1), BM25 (≥ 0) or fused.</param>
/// <param name="GroupBy">What a hit is.</param>
/// <param name="Vector">The query's vector, of the space's dimensions, in place of embedding the text.</param>
/// <param name="Recall">How much an approximate index may miss.</param>
/// <param name="Explain">Whether the answer says why its plan was chosen, and what else there was.</param>
/// <param name="Fuzzy">Whether words that are nowhere in the workspace stand for those that are spelt alike.</param>
/// <param name="Fusion">How hybrid search merges its rankings.</param>
/// <param name="VectorWeight">What vectors count in hybrid search against 1 for keywords, 0 to 10; null for what suits the space.</param>
/// <param name="Boosts">Raise the scores of some documents, among the best 100 passages at least; at most 10.</param>
/// <param name="Diversity">0 (none) to 1: how much a passage loses by being like those before it (maximal marginal relevance).</param>
/// <param name="Highlight">Whether hits carry excerpts in HTML with the found words in <c>&lt;mark&gt;</c>.</param>
/// <param name="Neighbors">How many passages before and behind each hit come with it, 0 to 5.</param>
/// <param name="Passages">When grouped by document: how many of its best passages a hit has, 1 to 10.</param>
/// <param name="Total">Whether to count all matches, whatever <paramref name="MinScore"/> says; takes longer.</param>
/// <param name="MinGeneration">The answer must reflect this generation, as a write's answer gave it; it waits up to a second for it.</param>
/// <param name="NoCache">Whether to compute the answer anew.</param>
public sealed record SearchRequest(
    [StringLength(4096)] string Query = "",
    SearchMode Mode = SearchMode.Hybrid,
    [Range(1, 200)] int Limit = 10,
    [Range(0, 10_000)] int Offset = 0,
    JsonElement? Filter = null,
    double? MinScore = null,
    SearchGrouping GroupBy = SearchGrouping.Passage,
    [MaxLength(16_000)] IReadOnlyList<float>? Vector = null,
    SearchRecall Recall = SearchRecall.Balanced,
    bool Explain = false,
    bool Fuzzy = false,
    SearchFusion Fusion = SearchFusion.ReciprocalRank,
    [Range(0.0, 10.0)] double? VectorWeight = null,
    [MaxLength(10)] IReadOnlyList<SearchBoost>? Boosts = null,
    [Range(0.0, 1.0)] double Diversity = 0,
    bool Highlight = false,
    [Range(0, 5)] int Neighbors = 0,
    [Range(1, 10)] int Passages = 1,
    bool Total = false,
    [Range(0, long.MaxValue)] long? MinGeneration = null,
    bool NoCache = false);

/// <summary>A passage next to a hit, or another one of its document.</summary>
/// <param name="ChunkId">Names the chunk.</param>
/// <param name="Ordinal">Its place among the chunks of the document, from 0.</param>
/// <param name="Score">Its own score; 0 for a neighbour.</param>
/// <param name="Text">The passage.</param>
public sealed record SearchPassage(long ChunkId, int Ordinal, double Score, string Text);

/// <summary>A passage that was found.</summary>
/// <param name="DocumentId">Its document.</param>
/// <param name="ChunkId">Names the chunk; stable as long as its text is.</param>
/// <param name="Ordinal">Its place among the chunks of the document, from 0.</param>
/// <param name="Score">Higher is better; comparable within one answer only.</param>
/// <param name="Title">The document's title.</param>
/// <param name="Heading">The headings above the passage, outermost first, joined by " › "; empty if there are none.</param>
/// <param name="Text">The passage.</param>
/// <param name="Metadata">The document's metadata.</param>
/// <param name="Highlights">Excerpts in HTML, when they were asked for.</param>
/// <param name="Neighbors">The passages before and behind it, when they were asked for.</param>
/// <param name="Passages">The document's other passages, best first, when more than one was asked for.</param>
public sealed record SearchHit(
    string DocumentId,
    long ChunkId,
    int Ordinal,
    double Score,
    string Title,
    string Heading,
    string Text,
    JsonElement Metadata,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Highlights = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<SearchPassage>? Neighbors = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<SearchPassage>? Passages = null);

/// <summary>How long the parts of a search took, in milliseconds.</summary>
/// <param name="Total">From the request's arrival to the answer.</param>
/// <param name="Embedding">The query's embedding; 0 in keyword mode.</param>
/// <param name="Database">Waiting for PostgreSQL; what runs there at the same time counts once.</param>
public sealed record SearchTimings(double Total, double Embedding, double Database);

/// <summary>What was found, and how.</summary>
/// <param name="Hits">The hits, best first: min(limit, matches − offset) of them.</param>
/// <param name="Mode">The mode that was used.</param>
/// <param name="Plan">The access paths that were used, for instance <c>bm25+hnsw</c>, <c>exact</c>.</param>
/// <param name="Space">The embedding space that was searched.</param>
/// <param name="Generation">The workspace's generation that the answer reflects at least.</param>
/// <param name="Cached">Whether the answer came from the result cache.</param>
/// <param name="Timings">How long it took.</param>
/// <param name="Total">How many matches there are in all, also below the lowest score, when it was asked for.</param>
/// <param name="Explanation">Why the plan was chosen, when it was asked for.</param>
/// <param name="Degraded">
/// What the answer had to do without: <c>embedding</c> when the query could not be embedded, and a hybrid search was answered by keyword. Absent from
/// whole answers; such an answer is not cached.
/// </param>
/// <param name="IgnoredTerms">
/// Words of the query, as the index has them, that were not looked up: beyond 64 that the workspace knows, the most common ones. Absent when there are none.
/// </param>
public sealed record SearchResponse(
    IReadOnlyList<SearchHit> Hits,
    SearchMode Mode,
    string Plan,
    string Space,
    long Generation,
    bool Cached,
    SearchTimings Timings,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? Total = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] SearchExplanation? Explanation = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Degraded = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? IgnoredTerms = null);

/// <summary>A way to find the nearest vectors, with what it would take.</summary>
/// <param name="Plan">The access path.</param>
/// <param name="Cost">Estimate, in vectors compared one by one.</param>
/// <param name="Reason">Why it was chosen, or not.</param>
public sealed record SearchAlternative(string Plan, double Cost, string Reason);

/// <summary>What a plan was based on.</summary>
/// <param name="Chunks">Passages of the workspace.</param>
/// <param name="MatchingChunks">Estimate of those whose documents meet the filter.</param>
/// <param name="Selectivity">Their share, 0 to 1.</param>
/// <param name="EfSearch">Candidates that the HNSW index keeps; 0 when it is not used.</param>
/// <param name="Terms">Words of the query as the index has them, with the number of documents that have them.</param>
/// <param name="Postings">Postings that were scored.</param>
/// <param name="Alternatives">The access paths that were considered, the chosen one first.</param>
/// <param name="Stages">How long each stage took in milliseconds; stages that ran at the same time count each.</param>
public sealed record SearchExplanation(
    long Chunks,
    double MatchingChunks,
    double Selectivity,
    int EfSearch,
    IReadOnlyDictionary<string, long> Terms,
    long Postings,
    IReadOnlyList<SearchAlternative> Alternatives,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyDictionary<string, double>? Stages = null);

/// <summary>A question to be answered from a workspace's passages.</summary>
/// <param name="Question">The question, 1 to 4,096 characters.</param>
/// <param name="Limit">How many passages the answer may draw on, 1 to 20.</param>
/// <param name="Mode">How they are found.</param>
/// <param name="Filter">A condition on the documents' metadata: see docs/filters.md.</param>
public sealed record AskRequest(
    [Required, StringLength(4096, MinimumLength = 1)] string Question,
    [Range(1, 20)] int Limit = 6,
    SearchMode Mode = SearchMode.Hybrid,
    JsonElement? Filter = null);

/// <summary>
/// A piece of an answer, as a server-sent event of the type <c>sources</c> (first, with the passages that may be cited), <c>text</c> (a piece of the
/// answer), <c>done</c> (the citations that the answer has, and why it ended) or <c>error</c>.
/// </summary>
/// <param name="Text">A piece of the answer, or what went wrong; with <c>done</c> only when the answer is cut, and then it says so.</param>
/// <param name="Sources">The passages; <c>[1]</c> in the text cites the first.</param>
/// <param name="Citations">Numbers of the passages that the answer cites.</param>
/// <param name="FinishReason">
/// With <c>done</c>: <c>stop</c> for a whole answer; <c>length</c> when the model reached the most that it may say, <c>content_filter</c> when it was stopped.
/// </param>
public sealed record AskEvent(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Text = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<SearchHit>? Sources = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<int>? Citations = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? FinishReason = null);
