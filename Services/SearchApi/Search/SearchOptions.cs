using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Search;

/// <summary>How searches are planned and answered. Section <c>Search</c>.</summary>
public sealed class SearchOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Search";

    /// <summary>Up to how many passages the documents that meet a filter are listed rather than estimated.</summary>
    /// <value>0 to 1,000,000 passages. The default is 3,000: counting them takes a millisecond or two.</value>
    [Range(0, 1_000_000)]
    public int ExactVectors { get; set; } = 3_000;

    /// <summary>How many of the best hits of each kind are fused, boosted or reordered for diversity. Pages that need more go on with a deeper ranking behind it.</summary>
    /// <value>10 to 1,000 passages. The default is 100; more makes no difference to nDCG@10.</value>
    [Range(10, 1_000)]
    public int FusionDepth { get; set; } = 100;

    /// <summary>The rank at which a hit counts half as much as one at the top would without it: k of reciprocal rank fusion.</summary>
    /// <value>1 to 1,000. The default is 60 (Cormack, Clarke and Büttcher 2009).</value>
    [Range(1, 1_000)]
    public int FusionRank { get; set; } = 60;

    /// <summary>How much vectors count in hybrid search, against 1 for keywords, when they compare meaning.</summary>
    /// <value>0 to 10. The default is 2: by nDCG@10 on judged collections, see docs/search.md.</value>
    [Range(0.0, 10.0)]
    public double SemanticWeight { get; set; } = 2;

    /// <summary>How much vectors count in hybrid search, against 1 for keywords, when they only compare words, as those of <c>hashing</c> do.</summary>
    /// <value>0 to 10. The default is 0.25: they see the same words as BM25, without knowing which of them are rare.</value>
    [Range(0.0, 10.0)]
    public double LexicalWeight { get; set; } = 0.25;

    /// <summary>As <see cref="LexicalWeight"/>, when scores are fused rather than ranks.</summary>
    /// <value>0 to 10. The default is 0.3.</value>
    [Range(0.0, 10.0)]
    public double LexicalScoreWeight { get; set; } = 0.3;

    /// <summary>How long a search may take in all: embedding, the queue and PostgreSQL.</summary>
    /// <value>10 milliseconds to 1 minute. The default is 5 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a query's embedding is waited for. A hybrid search that has none by then is answered by keyword.</summary>
    /// <value>10 milliseconds to 1 minute. The default is 2 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00")]
    public TimeSpan EmbeddingTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How many statements each connection of the search API prepares by itself. Saves planning where PostgreSQL is reached directly, or through
    /// PgBouncer 1.21 or newer; older ones refuse prepared statements in transaction mode.
    /// </summary>
    /// <value>0 (none) to 500. The default is 0; SingleNode sets 100 for a PostgreSQL of its own.</value>
    [Range(0, 500)]
    public int PreparedStatements { get; set; }

    /// <summary>How many searches are at the database at once. Each uses up to two connections of the pool.</summary>
    /// <value>1 to 500. The default is 8: 16 of the pool's 20 connections.</value>
    [Range(1, 500)]
    public int Concurrency { get; set; } = 8;

    /// <summary>How many answers are remembered in memory.</summary>
    /// <value>1 to 1,000,000. The default is 1,000.</value>
    [Range(1, 1_000_000)]
    public int CachedResults { get; set; } = 1_000;

    /// <summary>How much memory remembered answers may take.</summary>
    /// <value>1 to 65,536 megabytes. The default is 64.</value>
    [Range(1, 65_536)]
    public int CachedMegabytes { get; set; } = 64;

    /// <summary>How long an answer is remembered in memory after it was asked for last.</summary>
    /// <value>1 second to 1 day. The default is 5 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan MemoryLifetime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long an answer is remembered in Valkey.</summary>
    /// <value>1 second to 7 days. The default is 1 hour.</value>
    [Range(typeof(TimeSpan), "00:00:01", "7.00:00:00")]
    public TimeSpan ResultLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>How many popular searches are answered ahead after a start, and of each workspace after it has changed.</summary>
    /// <value>0 (none) to 1,000. The default is 50.</value>
    [Range(0, 1_000)]
    public int WarmUpQueries { get; set; } = 50;

    /// <summary>How long answering ahead may take each time; after a start, readiness waits as long at most.</summary>
    /// <value>100 milliseconds to 30 seconds. The default is 3 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:00:30")]
    public TimeSpan WarmUpTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>From how many chunks on a workspace that is at most 60 % of its space gets an HNSW index of its own; it loses it at half of that.</summary>
    /// <value>0 (never: those that are there are dropped) to 100,000,000 chunks. The default is 20,000.</value>
    [Range(0, 100_000_000)]
    public int PartialIndexChunks { get; set; } = 20_000;

    /// <summary>How often is looked for workspaces that should have, or lose, an index of their own.</summary>
    /// <value>1 second to 1 day. The default is 5 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan PromotionInterval { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the figures that planning needs are remembered.</summary>
    /// <value>100 milliseconds to 10 minutes. The default is 5 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00")]
    public TimeSpan StatisticsLifetime { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>What vectors count in hybrid search, against 1 for keywords, if the request does not say.</summary>
    /// <param name="lexical">Whether the space's vectors only compare words.</param>
    /// <param name="fusion">How rankings are merged.</param>
    internal double VectorWeight(bool lexical, SearchFusion fusion) =>
        !lexical ? SemanticWeight : fusion == SearchFusion.Weighted ? LexicalScoreWeight : LexicalWeight;
}

/// <summary>Validates <see cref="SearchOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class SearchOptionsValidator : IValidateOptions<SearchOptions>;
