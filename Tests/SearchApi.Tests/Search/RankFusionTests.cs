using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class RankFusionTests
{
    [Fact]
    public void ReciprocalRank_OfTwoRankings_AddsWeightedReciprocals()
    {
        var fused = RankFusion.ReciprocalRank([([new(1, 1, 9), new(2, 2, 8)], 1), ([new(2, 2, 0.5), new(3, 3, 0.4)], 0.5)], 60);

        Assert.Equal([2, 1, 3], fused.Select(c => c.ChunkId));
        Assert.Equal([(1 / 62.0) + (0.5 / 61), 1 / 61.0, 0.5 / 62], fused.Select(c => c.Score));
    }

    [Fact]
    public void BestOfDocuments_OfSeveralPassages_KeepsTheFirstOfEach() =>
        Assert.Equal([1, 3], RankFusion.BestOfDocuments([new(1, 10, 3), new(2, 10, 2), new(3, 11, 1)]).Select(c => c.ChunkId));

    [Fact]
    public void Weighted_OfTwoRankings_CountsWhatIsAbsentAsTheLast()
    {
        var fused = RankFusion.Weighted([([new(1, 1, 9), new(2, 2, 5), new(3, 3, 1)], 1), ([new(4, 4, 0.9), new(1, 1, 0.5)], 0.3)]);

        Assert.Equal([1, 2, 4, 3], fused.Select(c => c.ChunkId));
        Assert.Equal(0, fused[^1].Score);
    }

    [Fact]
    public void Diversify_OfLikePassages_PutsAnUnlikeOneBetweenThem()
    {
        Candidate[] candidates = [new(1, 1, 3), new(2, 2, 2.9), new(3, 3, 2)];
        var vectors = new Dictionary<long, float[]> { [1] = [1, 0], [2] = [1, 0.01f], [3] = [0, 1] };

        Assert.Equal([1, 3, 2], RankFusion.Diversify(candidates, vectors, 0.7).Select(c => c.ChunkId));
        Assert.Equal([1, 2, 3], RankFusion.Diversify(candidates, vectors, 0).Select(c => c.ChunkId));
    }
}
