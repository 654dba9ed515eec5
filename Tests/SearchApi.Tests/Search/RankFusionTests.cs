using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class RankFusionTests
{
    [Fact]
    public void ReciprocalRank_OfTwoRankings_AddsWeightedReciprocals()
    {
        var fused = RankFusion.ReciprocalRank([Found(1, new(1, 1, 9), new(2, 2, 8)), Found(0.5, new(2, 2, 0.5), new(3, 3, 0.4))], 60);

        Assert.Equal([2, 1, 3], fused.Select(c => c.ChunkId));
        Assert.Equal([(1 / 62.0) + (0.5 / 61), 1 / 61.0, 0.5 / 62], fused.Select(c => c.Score));
    }

    [Fact]
    public void Weighted_OfTwoRankings_CountsWhatIsAbsentAsTheFloor()
    {
        var fused = RankFusion.Weighted([Found(1, new(1, 1, 9), new(2, 2, 5), new(3, 3, 1)), Found(0.3, new(4, 4, 0.9), new(1, 1, 0.5))]);

        Assert.Equal([1, 2, 4, 3], fused.Select(c => c.ChunkId));
        Assert.Equal(0, fused[^1].Score);
    }

    [Fact]
    public void Weighted_WhereOnePassageAloneHasTheWord_PutsItFirst()
    {
        // Thirty others are nearer to the query.
        Candidate[] nearest = [.. Enumerable.Range(1, 31).Select(i => new Candidate(i, i, 0.9 - (i * 0.01)))];

        var fused = RankFusion.Weighted([Found(1, new Candidate(16, 16, 4.2)) with { Floor = 0 }, Found(1, nearest)]);

        Assert.Equal([16, 1, 2], fused.Take(3).Select(c => c.ChunkId));
    }

    [Fact]
    public void Weighted_WhereAllScoreAlike_CountsHavingTheScore()
    {
        var fused = RankFusion.Weighted([Found(1, new Candidate(1, 1, 3), new Candidate(2, 2, 3)), Found(0.5, new Candidate(1, 1, 0.2))]);

        Assert.Equal([1, 2], fused.Select(c => c.ChunkId));
        Assert.Equal(1, fused[1].Score);
    }

    [Fact]
    public void Fuse_WithARequiredRanking_LeavesOutWhatItLacks()
    {
        var fused = RankFusion.Fuse(
            [Found(1, new Candidate(1, 1, 3)) with { IsRequired = true }, Found(1, new Candidate(2, 2, 0.9), new Candidate(1, 1, 0.2))],
            SearchFusion.ReciprocalRank,
            60);

        Assert.Equal([1], fused.Candidates.Select(c => c.ChunkId));
    }

    [Fact]
    public void Fuse_OfOneRanking_KeepsItsScores() =>
        Assert.Equal([3.0], RankFusion.Fuse([Found(0.25, new Candidate(1, 1, 3))], SearchFusion.Weighted, 60).Candidates.Select(c => c.Score));

    private static SourceRanking Found(double weight, params Candidate[] candidates) => new(new(candidates, true), weight);
}
