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
}
