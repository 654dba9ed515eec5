namespace RagPlatform.SearchApi.Search;

/// <summary>Finds further passages of the documents that a page shows, whatever stands on it besides.</summary>
internal static class OtherPassages
{
    private const int FirstDepth = 20;
    private const int Growth = 8;
    private const int MaxDepth = 10_000;

    private static readonly ILookup<long, Candidate> s_none = Array.Empty<Candidate>().ToLookup(c => c.DocumentKey);

    /// <summary>Finds in the database, best first, at least as many of each document as were asked for, or all that it has.</summary>
    /// <param name="query">The search.</param>
    /// <param name="page">The page.</param>
    /// <param name="rank">Ranks the best passages of some documents.</param>
    public static async Task<ILookup<long, Candidate>> FindAsync(SearchQuery query, RankedPage page, Func<int, IReadOnlySet<long>, Task<Ranking>> rank)
    {
        if (query is not { ByDocument: true, Request.Passages: > 1 } || page.Candidates.Count == 0)
        {
            return s_none;
        }

        var documents = page.Candidates.Select(c => c.DocumentKey).ToHashSet();
        for (var depth = FirstDepth * documents.Count; ; depth *= Growth)
        {
            var ranking = await rank(Math.Min(depth, MaxDepth), documents);
            var found = ranking.Candidates.ToLookup(c => c.DocumentKey);
            if (ranking.IsAll || depth >= MaxDepth || documents.All(key => found[key].Count() > query.Request.Passages))
            {
                return Rescale(page, ranking);
            }
        }
    }

    /// <summary>
    /// Scores of passages that were ranked among few documents are not those of the page's ranking: they are measured by the hit of their document, which
    /// has both.
    /// </summary>
    internal static ILookup<long, Candidate> Rescale(RankedPage page, Ranking ranking)
    {
        var own = ranking.Candidates.ToDictionary(c => c.ChunkId, c => c.Score);
        var scales = page.Candidates.ToDictionary(
            c => c.DocumentKey,
            c => (Hit: c.Score, Scale: own.TryGetValue(c.ChunkId, out var score) && score > 0 && c.Score > 0 ? c.Score / score : 1));
        return ranking.Candidates.Where(c => scales.ContainsKey(c.DocumentKey)).ToLookup(
            c => c.DocumentKey,
            c => c with { Score = Math.Min(scales[c.DocumentKey].Hit, c.Score * scales[c.DocumentKey].Scale) });
    }
}
