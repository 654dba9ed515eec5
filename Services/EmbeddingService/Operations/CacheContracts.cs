using System.ComponentModel.DataAnnotations;

namespace RagPlatform.EmbeddingService.Operations;

/// <summary>What a cache tier holds and did since the start of this replica.</summary>
/// <param name="Name"><c>l1</c>, <c>l2</c>, <c>l3</c>, <c>joined</c> or <c>source</c>.</param>
/// <param name="State"><c>on</c>, <c>off</c>, or <c>away</c> when it does not answer.</param>
/// <param name="Entries">Vectors; of L2 all keys of the server; null when unknown.</param>
/// <param name="Bytes">What they take; of L2 all memory of the server; null when unknown.</param>
/// <param name="Hits">Texts that were found.</param>
/// <param name="Misses">Texts that were not.</param>
/// <param name="Errors">Operations that failed or took too long.</param>
/// <param name="Corrupt">Values that were not what had been written.</param>
/// <param name="Oldest">When the oldest entry was written; null when unknown.</param>
internal sealed record TierReport(
    string Name, string State, long? Entries, long? Bytes, long Hits, long Misses, long Errors, long Corrupt, DateTimeOffset? Oldest);

/// <summary>The state of the cache.</summary>
/// <param name="Tiers">The tiers, the fastest first.</param>
/// <param name="InFlight">Texts that are on their way now.</param>
/// <param name="PendingWrites">Vectors that are not in L3 yet.</param>
internal sealed record CacheReport(IReadOnlyList<TierReport> Tiers, int InFlight, long PendingWrites);

/// <summary>What to remove. Exactly one of texts, whole model, or age is given; a model may narrow an age.</summary>
/// <param name="Model">The model; null for the default one (with texts) or all of them (with an age).</param>
/// <param name="Texts">Texts whose vectors are removed, as queries and as passages: at most 2,048.</param>
/// <param name="All">Everything of the model.</param>
/// <param name="OlderThanSeconds">Vectors that were written longer ago than this. L2 has its own TTL and is left alone.</param>
/// <param name="Dimensions">Dimensions, when they are not the model's own.</param>
internal sealed record CacheInvalidate(
    string? Model = null,
    [property: MaxLength(2048)] IReadOnlyList<string>? Texts = null,
    bool All = false,
    [property: Range(typeof(long), "1", "315360000")] long? OlderThanSeconds = null,
    int? Dimensions = null);

/// <summary>What was removed, by tier. What is in the memory of other replicas ends with its TTL.</summary>
internal sealed record CacheInvalidated(long L1, long L2, long L3);

/// <summary>What to bring into memory: texts, which are embedded where they are not cached, or the most frequent queries of a workspace.</summary>
/// <param name="Model">The model; null for the default one.</param>
/// <param name="Texts">Texts: at most 2,048.</param>
/// <param name="Input"><c>query</c> (the default) or <c>document</c>.</param>
/// <param name="Workspace">Whose frequent queries, and whom the texts cost.</param>
/// <param name="Limit">Frequent queries, at most: 1 to 100,000.</param>
internal sealed record CacheWarm(
    string? Model = null,
    [property: MaxLength(2048)] IReadOnlyList<string>? Texts = null,
    [property: RegularExpression("^(query|document)$")] string Input = "query",
    [property: StringLength(63)] string? Workspace = null,
    [property: Range(1, 100_000)] int Limit = 1_000);

/// <summary>What is in memory now, and where it came from.</summary>
internal sealed record CacheWarmed(int Requested, int L1, int L2, int L3, int Source, int Missing);
