namespace RagPlatform.SearchApi.Search;

/// <summary>
/// How deep rankings are made. Depths do not depend on the page, so that each page is a cut of the same ranking: what a page needs beyond one depth comes
/// from the next one, behind what was found before.
/// </summary>
internal static class RankingDepths
{
    /// <summary>Passages that vanish between being ranked and being read leave no gap in the page as long as there are spare ones.</summary>
    public const int Spare = 5;

    /// <summary>How deep the nearest vectors of an index are ranked first, when nothing else has a say in their order.</summary>
    public const int NearestDepth = 25;

    // So many times as deep is the next one.
    private const int Growth = 4;

    // Passages of a document that are among the best, on average, at a guess.
    private const int PassagesADocument = 3;

    /// <summary>The depths, one behind the other.</summary>
    /// <param name="query">The search.</param>
    /// <param name="isExact">Whether its ranking begins alike at any depth, so that it may be just as deep as the page needs.</param>
    /// <param name="fusionDepth">How deep rankings are made that are fused, boosted or reordered.</param>
    public static IEnumerable<int> Of(SearchQuery query, bool isExact, int fusionDepth)
    {
        var first = !query.IsPlain ? fusionDepth
            : isExact ? (query.Need * (query.ByDocument ? PassagesADocument : 1)) + Spare
            : NearestDepth;
        for (long depth = first; ; depth *= Growth)
        {
            yield return (int)Math.Min(depth, int.MaxValue / 8);
        }
    }
}
