using RagPlatform.Contracts;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Eval;

/// <summary>What nDCG@10 is held against.</summary>
internal static class EvalGoals
{
    /// <summary>How far below the better of its halves a fusion may be.</summary>
    private const double FusionAllowance = 0.01;

    // Reference BM25 (k1 1.2, b 0.75, Porter stemming, English stop words, title + text as one field) minus 0.005: cranfield 0.391, med 0.683.
    private static readonly Dictionary<string, double> s_keyword = new(StringComparer.Ordinal) { ["cranfield"] = 0.386, ["med"] = 0.678 };

    /// <summary>The goal of a mode; empty when it has none.</summary>
    /// <param name="collection">The collection.</param>
    /// <param name="mode">The mode.</param>
    /// <param name="ndcg10">nDCG@10 of the modes that were measured so far.</param>
    public static string Ndcg10(string collection, SearchMode mode, IReadOnlyDictionary<SearchMode, double> ndcg10) => mode switch
    {
        SearchMode.Keyword when s_keyword.TryGetValue(collection, out var bar) => Figure.AtLeast(bar),
        SearchMode.Hybrid when ndcg10.TryGetValue(SearchMode.Keyword, out var keyword) && ndcg10.TryGetValue(SearchMode.Vector, out var vector) =>
            Figure.AtLeast(Math.Max(keyword, vector) - FusionAllowance),
        _ => "",
    };
}
