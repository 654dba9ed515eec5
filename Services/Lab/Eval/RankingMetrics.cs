namespace RagPlatform.Lab.Eval;

/// <summary>A document in a ranking.</summary>
/// <param name="DocumentId">The document.</param>
/// <param name="Score">Higher is better.</param>
internal readonly record struct RankedDocument(string DocumentId, double Score);

/// <summary>How good a ranking is, each from 0 to 1.</summary>
/// <param name="Ndcg10">Normalised discounted cumulative gain of the first 10 (trec_eval's <c>ndcg_cut_10</c>).</param>
/// <param name="Recall100">Share of the relevant documents that are among the first 100 (<c>recall_100</c>).</param>
/// <param name="AveragePrecision">Average precision of the first 100 (<c>map_cut_100</c>).</param>
/// <param name="ReciprocalRank10">1 / rank of the first relevant document, 0 beyond rank 10 (<c>recip_rank</c> of the first 10).</param>
internal readonly record struct RankingQuality(double Ndcg10, double Recall100, double AveragePrecision, double ReciprocalRank10);

/// <summary>
/// Ranking measures by the conventions of NIST's trec_eval 9: a ranking is sorted by score, ties by document id in descending byte order,
/// whatever order it came in; a document is relevant when its judged grade is 1 or more; what is not judged is not relevant; the gain
/// of a document is its grade, discounted by log2(rank + 1), and the ideal ranking is that of all judged documents.
/// </summary>
internal static class RankingMetrics
{
    private const int GainDepth = 10;
    private const int Depth = 100;

    /// <summary>Scores the ranking of one query.</summary>
    /// <param name="ranking">What was found, each document once.</param>
    /// <param name="grades">The judged documents of the query; at least one of grade 1 or more.</param>
    /// <exception cref="ArgumentException">Nothing is relevant, or a document is ranked twice.</exception>
    public static RankingQuality Score(IEnumerable<RankedDocument> ranking, IReadOnlyDictionary<string, int> grades)
    {
        var relevant = grades.Values.Count(grade => grade > 0);
        if (relevant == 0)
        {
            throw new ArgumentException("The query has no relevant document.", nameof(grades));
        }

        RankedDocument[] ranked = [.. ranking.OrderByDescending(d => d.Score).ThenByDescending(d => d.DocumentId, StringComparer.Ordinal)];
        if (ranked.DistinctBy(d => d.DocumentId).Count() != ranked.Length)
        {
            throw new ArgumentException("A document is ranked twice.", nameof(ranking));
        }

        double gain = 0, precisions = 0, reciprocalRank = 0;
        var found = 0;
        for (var i = 0; i < Math.Min(ranked.Length, Depth); i++)
        {
            var grade = grades.GetValueOrDefault(ranked[i].DocumentId);
            if (grade <= 0)
            {
                continue;
            }

            found++;
            precisions += (double)found / (i + 1);
            if (i < GainDepth)
            {
                gain += Discounted(grade, i);
                reciprocalRank = found == 1 ? 1.0 / (i + 1) : reciprocalRank;
            }
        }

        var ideal = grades.Values.Where(grade => grade > 0).OrderDescending().Take(GainDepth).Select(Discounted).Sum();
        return new RankingQuality(gain / ideal, (double)found / relevant, precisions / relevant, reciprocalRank);
    }

    private static double Discounted(int grade, int index) => grade / Math.Log2(index + 2);
}
