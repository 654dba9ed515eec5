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
    public static List<Candidate> ReciprocalRank(IReadOnlyList<(IReadOnlyList<Candidate> Candidates, double Weight)> rankings, int k) =>
        Merge(rankings, candidates => i => 1.0 / (k + i + 1));

    /// <summary>
    /// Weighted scores: each ranking's in standard deviations from its mean; a passage that a ranking does not have counts as its last.
    /// </summary>
    /// <param name="rankings">The rankings, best first, with their weights.</param>
    public static List<Candidate> Weighted(IReadOnlyList<(IReadOnlyList<Candidate> Candidates, double Weight)> rankings) =>
        Merge(rankings, candidates =>
        {
            if (candidates.Count == 0)
            {
                return _ => 0;
            }

            var mean = candidates.Average(c => c.Score);
            var deviation = Math.Sqrt(candidates.Average(c => (c.Score - mean) * (c.Score - mean)));
            var last = candidates[^1].Score;

            // Relative to the last one, so that what is absent has 0.
            return i => deviation > 0 ? (candidates[i].Score - last) / deviation : 0;
        });

    /// <summary>The best passage of each document, best first.</summary>
    public static List<Candidate> BestOfDocuments(IReadOnlyList<Candidate> candidates)
    {
        var seen = new HashSet<long>();
        return [.. candidates.Where(candidate => seen.Add(candidate.DocumentKey))];
    }

    /// <summary>Best first; equal scores by chunk.</summary>
    public static List<Candidate> Sort(IEnumerable<Candidate> candidates)
    {
        var sorted = candidates.ToList();
        sorted.Sort(static (a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.ChunkId.CompareTo(b.ChunkId));
        return sorted;
    }

    /// <summary>
    /// Maximal marginal relevance: takes candidates in turn, each the one with the highest score less its likeness to those taken before
    /// (Carbonell and Goldstein 1998). Scores stay as they are; only the order changes.
    /// </summary>
    /// <param name="candidates">The candidates, best first.</param>
    /// <param name="vectors">Their vectors; one without counts as unlike all.</param>
    /// <param name="diversity">How much likeness counts against score, 0 to 1.</param>
    public static List<Candidate> Diversify(IReadOnlyList<Candidate> candidates, IReadOnlyDictionary<long, float[]> vectors, double diversity)
    {
        var (low, high) = candidates.Count == 0 ? (0, 0) : (candidates[^1].Score, candidates[0].Score);
        var likeness = new double[candidates.Count];
        var left = Enumerable.Range(0, candidates.Count).ToList();
        var order = new List<Candidate>(candidates.Count);
        while (left.Count > 0)
        {
            var best = left.MaxBy(i =>
                ((1 - diversity) * (high > low ? (candidates[i].Score - low) / (high - low) : 1)) - (diversity * likeness[i]));
            left.Remove(best);
            order.Add(candidates[best]);
            if (vectors.TryGetValue(candidates[best].ChunkId, out var taken))
            {
                foreach (var i in left)
                {
                    if (vectors.TryGetValue(candidates[i].ChunkId, out var other))
                    {
                        likeness[i] = Math.Max(likeness[i], Cosine(taken, other));
                    }
                }
            }
        }

        return order;
    }

    private static List<Candidate> Merge(
        IReadOnlyList<(IReadOnlyList<Candidate> Candidates, double Weight)> rankings,
        Func<IReadOnlyList<Candidate>, Func<int, double>> scorer)
    {
        var fused = new Dictionary<long, Candidate>();
        foreach (var (candidates, weight) in rankings)
        {
            var score = scorer(candidates);
            for (var i = 0; i < candidates.Count; i++)
            {
                var candidate = candidates[i];
                var before = fused.TryGetValue(candidate.ChunkId, out var known) ? known.Score : 0;
                fused[candidate.ChunkId] = candidate with { Score = before + (weight * score(i)) };
            }
        }

        return Sort(fused.Values);
    }

    private static double Cosine(float[] a, float[] b)
    {
        double dot = 0, aa = 0, bb = 0;
        for (var i = 0; i < a.Length; i++)
        {
            dot += a[i] * b[i];
            aa += a[i] * a[i];
            bb += b[i] * b[i];
        }

        return aa > 0 && bb > 0 ? dot / Math.Sqrt(aa * bb) : 0;
    }
}
