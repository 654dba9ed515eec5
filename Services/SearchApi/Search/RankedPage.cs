namespace RagPlatform.SearchApi.Search;

/// <summary>A page of a ranking.</summary>
/// <param name="Candidates">What stands on the page, and some that take the place of those that vanish before they are read.</param>
/// <param name="Limit">How many of them are shown at most.</param>
internal sealed record RankedPage(IReadOnlyList<Candidate> Candidates, int Limit)
{
    /// <summary>Cuts the page of a search out of its ranking.</summary>
    public static RankedPage Cut(SearchQuery query, Ranking ranking) => new(
        [.. Hits(query, ranking).Skip(query.Request.Offset).Take(query.Request.Limit + RankingDepths.Spare)], query.Request.Limit);

    /// <summary>Whether nothing that a deeper ranking has could come to stand on the page.</summary>
    public static bool IsFull(SearchQuery query, Ranking ranking) =>
        ranking.IsAll
        // What is found deeper does not score higher.
        || ranking.Candidates.Any(c => c.Score < query.Request.MinScore)
        || Hits(query, ranking).Take(query.Need).Count() == query.Need;

    private static IEnumerable<Candidate> Hits(SearchQuery query, Ranking ranking)
    {
        var seen = new HashSet<long>();
        return ranking.Candidates.Where(c => !(c.Score < query.Request.MinScore) && (!query.ByDocument || seen.Add(c.DocumentKey)));
    }
}
