using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace RagPlatform.SearchApi.Search;

/// <summary>How searches are planned and answered. Section <c>Search</c>.</summary>
public sealed class SearchOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Search";

    /// <summary>How many vectors are compared one by one, at most, rather than by an approximate index.</summary>
    /// <value>0 to 1,000,000 vectors. The default is 5,000: about 5 milliseconds at 384 dimensions.</value>
    [Range(0, 1_000_000)]
    public int ExactVectors { get; set; } = 5_000;

    /// <summary>How many candidates an HNSW search keeps.</summary>
    /// <value>10 to 1,000. The default is 100.</value>
    [Range(10, 1_000)]
    public int EfSearch { get; set; } = 100;

    /// <summary>How many vectors an HNSW search behind a filter visits before the exact search takes over.</summary>
    /// <value>1,000 to 1,000,000 vectors. The default is 20,000.</value>
    [Range(1_000, 1_000_000)]
    public int MaxScanTuples { get; set; } = 20_000;

    /// <summary>How many of the best hits of each kind are fused at least.</summary>
    /// <value>10 to 1,000 passages. The default is 200.</value>
    [Range(10, 1_000)]
    public int FusionDepth { get; set; } = 200;

    /// <summary>The rank at which a hit counts half as much as one at the top would without it: k of reciprocal rank fusion.</summary>
    /// <value>1 to 1,000. The default is 60 (Cormack, Clarke and Büttcher 2009).</value>
    [Range(1, 1_000)]
    public int FusionRank { get; set; } = 60;

    /// <summary>How much vectors count in hybrid search, against 1 for keywords, when they compare meaning.</summary>
    /// <value>0 to 10. The default is 1.</value>
    [Range(0.0, 10.0)]
    public double SemanticWeight { get; set; } = 1;

    /// <summary>How much vectors count in hybrid search, against 1 for keywords, when they only compare words, as those of <c>hashing</c> do.</summary>
    /// <value>0 to 10. The default is 0.25: they see the same words as BM25, without knowing which of them are rare.</value>
    [Range(0.0, 10.0)]
    public double LexicalWeight { get; set; } = 0.25;

    /// <summary>How long the figures that planning needs are remembered.</summary>
    /// <value>100 milliseconds to 10 minutes. The default is 5 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00")]
    public TimeSpan StatisticsLifetime { get; set; } = TimeSpan.FromSeconds(5);
}

/// <summary>Validates <see cref="SearchOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class SearchOptionsValidator : IValidateOptions<SearchOptions>;
