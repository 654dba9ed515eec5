using RagPlatform.Contracts;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Eval;

/// <summary>Means over the queries of a collection.</summary>
/// <param name="Ndcg10">See <see cref="RankingQuality"/>.</param>
/// <param name="Recall100">See <see cref="RankingQuality"/>.</param>
/// <param name="Map100">Mean average precision.</param>
/// <param name="Mrr10">Mean reciprocal rank.</param>
/// <param name="Queries">How many queries.</param>
internal sealed record RetrievalQuality(double Ndcg10, double Recall100, double Map100, double Mrr10, int Queries);

/// <summary>Asks every query of a collection and scores the answers.</summary>
/// <param name="searchAsync">Searches; hits are documents, not passages.</param>
internal sealed class RetrievalEvaluator(Func<SearchRequest, CancellationToken, Task<SearchResponse>> searchAsync)
{
    /// <summary>Documents that are asked for.</summary>
    public const int Depth = 100;

    private const int MostQueryCharacters = 4096;
    private const int Parallel = 4;

    /// <summary>Scores one mode.</summary>
    /// <exception cref="UnsoundRunException">There is no query, or an answer holds a document twice.</exception>
    public async Task<RetrievalQuality> EvaluateAsync(IReadOnlyList<JudgedQuery> queries, SearchMode mode, CancellationToken cancellationToken)
    {
        if (queries.Count == 0)
        {
            throw new UnsoundRunException("no query has a relevant document");
        }

        var scores = new RankingQuality[queries.Count];
        await System.Threading.Tasks.Parallel.ForAsync(
            0,
            queries.Count,
            new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellationToken },
            async (i, token) => scores[i] = await ScoreAsync(queries[i], mode, token));

        // Summed in the order of the queries: the same answers give the same figures to the last bit.
        return new RetrievalQuality(
            scores.Average(s => s.Ndcg10),
            scores.Average(s => s.Recall100),
            scores.Average(s => s.AveragePrecision),
            scores.Average(s => s.ReciprocalRank10),
            scores.Length);
    }

    private async Task<RankingQuality> ScoreAsync(JudgedQuery query, SearchMode mode, CancellationToken cancellationToken)
    {
        var text = query.Text.Length <= MostQueryCharacters ? query.Text : query.Text[..MostQueryCharacters];
        var request = new SearchRequest(text, mode, Depth, GroupBy: SearchGrouping.Document, NoCache: true);
        var response = await searchAsync(request, cancellationToken);
        if (response.Mode != mode)
        {
            throw new UnsoundRunException($"query '{query.Id}' was answered in mode {response.Mode}, not {mode}");
        }

        var ranking = response.Hits.Select(hit => new RankedDocument(hit.DocumentId, hit.Score)).ToArray();
        return ranking.DistinctBy(d => d.DocumentId).Count() == ranking.Length
            ? RankingMetrics.Score(ranking, query.Grades)
            : throw new UnsoundRunException($"the answer to query '{query.Id}' holds a document twice");
    }
}
