namespace RagPlatform.SearchApi.Search;

/// <summary>A passage among the hits of a search, before it is read.</summary>
/// <param name="ChunkId">Its chunk.</param>
/// <param name="DocumentKey">The chunk's document.</param>
/// <param name="Score">Higher is better.</param>
internal readonly record struct Candidate(long ChunkId, long DocumentKey, double Score);

/// <summary>Merges rankings, and picks what is shown of them.</summary>
internal static class RankFusion
{
    /// <summary>
    /// Reciprocal rank fusion: a passage scores the sum of weight / (k + rank) over the rankings that have it (Cormack, Clarke and Büttcher 2009).
    /// </summary>
    /// <param name="rankings">The rankings, best first, with their weights.</param>
    /// <param name="k">How little the first places differ.</param>
    public static List<Candidate> ReciprocalRank(IReadOnlyList<(IReadOnlyList<Candidate> Candidates, double Weight)> rankings, int k)
    {
        ArgumentNullException.ThrowIfNull(rankings);
        var fused = new Dictionary<long, Candidate>();
        foreach (var (candidates, weight) in rankings)
        {
            for (var i = 0; i < candidates.Count; i++)
            {
                var candidate = candidates[i];
                var score = weight / (k + i + 1);
                fused[candidate.ChunkId] = candidate with
                {
                    Score = score + (fused.TryGetValue(candidate.ChunkId, out var before) ? before.Score : 0),
                };
            }
        }

        return Sort(fused.Values);
    }

    /// <summary>The best passage of each document, best first.</summary>
    public static List<Candidate> BestOfDocuments(IReadOnlyList<Candidate> candidates)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        var seen = new HashSet<long>();
        return [.. candidates.Where(candidate => seen.Add(candidate.DocumentKey))];
    }

    private static List<Candidate> Sort(IEnumerable<Candidate> candidates)
    {
        var sorted = candidates.ToList();
        sorted.Sort(static (a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.ChunkId.CompareTo(b.ChunkId));
        return sorted;
    }
}
