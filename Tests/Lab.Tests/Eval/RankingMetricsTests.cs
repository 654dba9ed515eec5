using RagPlatform.Lab.Eval;

namespace RagPlatform.Lab.Tests.Eval;

public sealed class RankingMetricsTests
{
    [Fact]
    public void Score_GradedJudgements_MatchesTheHandComputedValues()
    {
        // Ranks: a (3), b (0), c (unjudged), d (1), e (2). Judged but not found: f (2).
        var quality = RankingMetrics.Score(
            Ranking("a", "b", "c", "d", "e"),
            new Dictionary<string, int> { ["a"] = 3, ["b"] = 0, ["d"] = 1, ["e"] = 2, ["f"] = 2 });

        // DCG = 3/log2(2) + 1/log2(5) + 2/log2(6) = 3 + 0.430677 + 0.773706 = 4.204382
        // Ideal = 3/log2(2) + 2/log2(3) + 2/log2(4) + 1/log2(5) = 3 + 1.261860 + 1 + 0.430677 = 5.692536
        Assert.Equal(0.738578, quality.Ndcg10, 5);
        Assert.Equal(3.0 / 4, quality.Recall100, 12);
        // Precisions at the relevant ranks: 1/1, 2/4, 3/5, over 4 relevant documents.
        Assert.Equal((1 + 0.5 + 0.6) / 4, quality.AveragePrecision, 12);
        Assert.Equal(1, quality.ReciprocalRank10);
    }

    [Fact]
    public void Score_PerfectRanking_IsOne()
    {
        var grades = Enumerable.Range(0, 12).ToDictionary(i => $"d{i:00}", _ => 1);
        var quality = RankingMetrics.Score(Ranking([.. grades.Keys]), grades);

        Assert.Equal((1.0, 1.0, 1.0, 1.0), (quality.Ndcg10, quality.Recall100, quality.AveragePrecision, quality.ReciprocalRank10));
    }

    [Fact]
    public void Score_NothingFound_IsZero()
    {
        var quality = RankingMetrics.Score([], new Dictionary<string, int> { ["a"] = 1 });

        Assert.Equal(default, quality);
    }

    [Fact]
    public void Score_FirstRelevantAtRankEleven_CountsForRecallAndMapOnly()
    {
        var quality = RankingMetrics.Score(
            Ranking([.. Enumerable.Range(1, 10).Select(i => $"x{i:00}"), "a"]), new Dictionary<string, int> { ["a"] = 1 });

        Assert.Equal(0, quality.Ndcg10);
        Assert.Equal(0, quality.ReciprocalRank10);
        Assert.Equal(1, quality.Recall100);
        Assert.Equal(1.0 / 11, quality.AveragePrecision, 12);
    }

    [Fact]
    public void Score_RelevantBeyondRankHundred_DoesNotCount()
    {
        var quality = RankingMetrics.Score(
            Ranking([.. Enumerable.Range(1, 100).Select(i => $"x{i:000}"), "a"]), new Dictionary<string, int> { ["a"] = 1 });

        Assert.Equal(default, quality);
    }

    [Fact]
    public void Score_EqualScores_AreRankedByDescendingDocumentId()
    {
        RankedDocument[] ranking = [new("a", 1), new("b", 1), new("c", 2)];
        var quality = RankingMetrics.Score(ranking, new Dictionary<string, int> { ["a"] = 1 });

        Assert.Equal(1.0 / 3, quality.ReciprocalRank10, 12);
    }

    [Fact]
    public void Score_IdealHasMoreThanTenRelevant_UsesTheBestTen()
    {
        var grades = Enumerable.Range(0, 10).ToDictionary(i => $"two{i}", _ => 2);
        grades.Add("one", 1);
        var quality = RankingMetrics.Score(Ranking([.. Enumerable.Range(0, 10).Select(i => $"two{i}")]), grades);

        Assert.Equal(1, quality.Ndcg10, 12);
    }

    [Fact]
    public void Score_NegativeGrade_GainsNothing()
    {
        var quality = RankingMetrics.Score(Ranking("spam", "a"), new Dictionary<string, int> { ["spam"] = -2, ["a"] = 1 });

        Assert.Equal(1 / Math.Log2(3), quality.Ndcg10, 12);
        Assert.Equal(0.5, quality.ReciprocalRank10);
    }

    [Fact]
    public void Score_NothingRelevant_Throws() =>
        Assert.Throws<ArgumentException>(() => RankingMetrics.Score(Ranking("a"), new Dictionary<string, int> { ["a"] = 0 }));

    [Fact]
    public void Score_DocumentTwice_Throws() =>
        Assert.Throws<ArgumentException>(() => RankingMetrics.Score(Ranking("a", "a"), new Dictionary<string, int> { ["a"] = 1 }));

    private static IEnumerable<RankedDocument> Ranking(params string[] ids) => ids.Select((id, i) => new RankedDocument(id, 1000 - i));
}
