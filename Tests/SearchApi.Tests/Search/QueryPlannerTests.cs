using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class QueryPlannerTests
{
    [Theory]
    [InlineData(300, 100_000, 300, false, VectorPlan.ExactWorkspace)]
    [InlineData(2_500, 100_000, 2_500, false, VectorPlan.ExactWorkspace)]
    [InlineData(50_000, 100_000, 50_000, false, VectorPlan.Hnsw)]
    [InlineData(50_000, 100_000, 25_000, true, VectorPlan.Hnsw)]
    [InlineData(500_000, 1_000_000, 100_000, true, VectorPlan.Hnsw)]
    [InlineData(50_000, 100_000, 500, true, VectorPlan.ExactFilterFirst)]
    [InlineData(50_000, 100_000, 0, true, VectorPlan.ExactFilterFirst)]
    public void Choose_ByShareOfTheSpace_TakesTheCheapestPath(long chunks, double rows, double matching, bool hasFilter, VectorPlan expected)
    {
        var plan = QueryPlanner.Choose(new(chunks, 1, rows, true, false, []), matching, hasFilter, 10, SearchRecall.Balanced);

        Assert.Equal(expected, plan.Plan);
        Assert.Equal(plan.Alternatives.Min(a => a.Cost), plan.Alternatives[0].Cost);
    }

    [Fact]
    public void Choose_OfASmallPartOfALargeSpace_TakesItsOwnIndex() =>
        Assert.Equal(
            VectorPlan.PartialHnsw,
            QueryPlanner.Choose(new(100_000, 1, 10_000_000, true, true, []), 100_000, false, 10, SearchRecall.Balanced).Plan);

    [Fact]
    public void Choose_OfIndexesOfHalfPrecision_SaysWhichOneIs()
    {
        var statistics = new VectorStatistics(100_000, 1, 10_000_000, true, true, [], HalfIndex: false, HalfPartialIndex: true);

        var own = QueryPlanner.Choose(statistics, 100_000, false, 10, SearchRecall.Balanced);
        var common = QueryPlanner.Choose(statistics with { HasPartialIndex = false, TableRows = 100_000 }, 100_000, false, 10, SearchRecall.Balanced);

        Assert.Equal((VectorPlan.PartialHnsw, true), (own.Plan, own.HalfIndex));
        Assert.Equal((VectorPlan.Hnsw, false), (common.Plan, common.HalfIndex));
        Assert.Contains("half precision", own.Alternatives[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Choose_WithoutIndex_ComparesAll() =>
        Assert.Equal(
            VectorPlan.ExactWorkspace,
            QueryPlanner.Choose(new(100_000, 1, 100_000, false, false, []), 100_000, false, 10, SearchRecall.Balanced).Plan);

    [Fact]
    public void Choose_OfExactRecall_NeverTakesAnIndex() =>
        Assert.DoesNotContain(
            QueryPlanner.Choose(new(100_000, 1, 100_000, true, true, []), 100_000, false, 10, SearchRecall.Exact).Alternatives,
            a => a.Plan.StartsWith("hnsw", StringComparison.Ordinal));

    [Theory]
    [InlineData(20_000)]
    [InlineData(100_000)]
    [InlineData(1_000_000)]
    public void Choose_OfHigherRecall_LooksAtMore(long rows)
    {
        var looked = new[] { SearchRecall.Fast, SearchRecall.Balanced, SearchRecall.High }
            .Select(recall => QueryPlanner.Choose(new(rows, 1, rows, true, false, []), rows, false, 10, recall))
            .Select(plan => Math.Max(plan.Ef, plan.Scan)).ToList();

        Assert.Equal(looked.Distinct().Order(), looked);
    }

    [Fact]
    public void Choose_OfALargerIndex_KeepsMoreCandidates()
    {
        var ef = new[] { 20_000, 50_000, 100_000, 1_000_000 }
            .Select(rows => QueryPlanner.Choose(new(rows, 1, rows, true, false, []), rows, false, 10, SearchRecall.Balanced).Ef);

        Assert.Equal([320, 554, 840, 1_000], ef);
    }

    [Fact]
    public void Choose_BehindAFilterThatATenthMeets_LooksAtWhatTheIndexKeepsAtOnce()
    {
        var plan = QueryPlanner.Choose(new(50_000, 1, 100_000, true, true, []), 5_000, true, 10, SearchRecall.Balanced);

        Assert.Equal((VectorPlan.PartialHnsw, 700, 300), (plan.Plan, plan.Ef, plan.Scan));
    }

    [Theory]
    [InlineData(10, 1.0)]
    [InlineData(10, 0.5)]
    [InlineData(200, 0.5)]
    [InlineData(10, 0.02)]
    public void Choose_OfAnIndex_ReadsEnoughRowsAndKeepsAtLeastAsManyCandidates(int limit, double share)
    {
        var plan = QueryPlanner.Choose(new(10_000_000, 1, 10_000_000, true, false, []), 10_000_000 * share, true, limit, SearchRecall.Balanced);

        Assert.Equal(VectorPlan.Hnsw, plan.Plan);
        Assert.True(plan.Scan * share >= limit + plan.Spare);
        Assert.True(plan.Ef >= Math.Min(plan.Scan, 1_000));
    }
}
