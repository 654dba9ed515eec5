using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Search;

/// <summary>A passage among the hits of a search, before it is read.</summary>
/// <param name="ChunkId">Its chunk.</param>
/// <param name="DocumentKey">The chunk's document.</param>
/// <param name="Score">Higher is better.</param>
internal readonly record struct Candidate(long ChunkId, long DocumentKey, double Score);

/// <summary>Merges what the sources have found into one ranking.</summary>
internal static class RankFusion
{
    /// <summary>Merges rankings; what a required one lacks is no match. A single one stays as it is.</summary>
    /// <param name="found">What each source has found.</param>
    /// <param name="fusion">How they are merged.</param>
    /// <param name="k">For reciprocal ranks: how little the first places differ.</param>
    public static Ranking Fuse(IReadOnlyList<SourceRanking> found, SearchFusion fusion, int k)
    {
        if (found.Count == 1)
        {
            return found[0].Ranking;
        }

        var required = found.Where(f => f.IsRequired).ToList();
        foreach (var must in required)
        {
            var matches = must.Ranking.Candidates.Select(c => c.ChunkId).ToHashSet();
            found =
            [
                .. found.Select(f => f with
                {
                    Ranking = f.Ranking with { Candidates = [.. f.Ranking.Candidates.Where(c => matches.Contains(c.ChunkId))] },
                }),
            ];
        }

        return new(
            fusion == SearchFusion.Weighted ? Weighted(found) : ReciprocalRank(found, k),
            (required.Count > 0 ? required : found).All(f => f.Ranking.IsAll));
    }

    /// <summary>
    /// Reciprocal rank fusion: a passage scores the sum of weight / (k + rank) over the rankings that have it (Cormack, Clarke and Büttcher 2009).
    /// </summary>
    /// <param name="found">The rankings with their weights.</param>
    /// <param name="k">How little the first places differ.</param>
    public static List<Candidate> ReciprocalRank(IReadOnlyList<SourceRanking> found, int k) =>
        Merge(found, _ => (place, _) => 1.0 / (k + place + 1));

    /// <summary>
    /// Weighted scores. Over all that any ranking has, each ranking's scores are measured in standard deviations from its floor, which is what a passage
    /// scores that it does not have: so a word that one passage alone has counts for much, and being the last of a ranking is still better than absence.
    /// </summary>
    /// <param name="found">The rankings with their weights.</param>
    public static List<Candidate> Weighted(IReadOnlyList<SourceRanking> found)
    {
        var count = found.SelectMany(f => f.Ranking.Candidates).Select(c => c.ChunkId).Distinct().Count();
        return Merge(found, one =>
        {
            var candidates = one.Ranking.Candidates;
            if (candidates.Count == 0)
            {
                return (_, _) => 0;
            }

            var floor = Math.Min(one.Floor ?? double.PositiveInfinity, candidates.Min(c => c.Score));
            var mean = candidates.Sum(c => c.Score - floor) / count;
            var squares = candidates.Sum(c => (c.Score - floor - mean) * (c.Score - floor - mean)) + ((count - candidates.Count) * mean * mean);
            var deviation = Math.Sqrt(squares / count);

            // Where all score alike, having the score is what counts.
            return (_, score) => deviation > 1e-12 ? (score - floor) / deviation : 1;
        });
    }

    /// <summary>Best first; equal scores by chunk.</summary>
    public static List<Candidate> Sort(IEnumerable<Candidate> candidates)
    {
        var sorted = candidates.ToList();
        sorted.Sort(static (a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.ChunkId.CompareTo(b.ChunkId));
        return sorted;
    }

    private static List<Candidate> Merge(IReadOnlyList<SourceRanking> found, Func<SourceRanking, Func<int, double, double>> scorer)
    {
        var fused = new Dictionary<long, Candidate>();
        foreach (var one in found)
        {
            var score = scorer(one);
            for (var place = 0; place < one.Ranking.Candidates.Count; place++)
            {
                var candidate = one.Ranking.Candidates[place];
                var before = fused.TryGetValue(candidate.ChunkId, out var known) ? known.Score : 0;
                fused[candidate.ChunkId] = candidate with { Score = before + (one.Weight * score(place, candidate.Score)) };
            }
        }

        return Sort(fused.Values);
    }
}
