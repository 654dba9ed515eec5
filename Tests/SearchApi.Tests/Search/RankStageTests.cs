using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class RankStageTests
{
    private static readonly DateTimeOffset s_now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Diversity_OfLikePassages_PutsAnUnlikeOneBetweenThem()
    {
        Candidate[] candidates = [new(1, 1, 3), new(2, 2, 2.9), new(3, 3, 2)];
        var vectors = new Dictionary<long, float[]> { [1] = [1, 0], [2] = [1, 0.01f], [3] = [0, 1] };

        Assert.Equal([1, 3, 2], DiversityStage.Apply(candidates, vectors, 0.7).Select(c => c.ChunkId));
        Assert.Equal([1, 2, 3], DiversityStage.Apply(candidates, vectors, 0).Select(c => c.ChunkId));
    }

    [Fact]
    public void Boost_OfConditionAndAge_MultipliesAndForgetsDocumentsThatAreGone()
    {
        Candidate[] candidates = [new(1, 1, 1), new(2, 2, 1), new(3, 3, -0.5), new(4, 4, 9)];
        var factors = new Dictionary<long, (DateTimeOffset, bool[])>
        {
            [1] = (s_now.AddDays(-10), [false]), [2] = (s_now.AddDays(-20), [true]), [3] = (s_now.AddDays(-1000), [true]),
        };

        var boosted = BoostStage.Apply(
            candidates,
            [new(new(2), new Storage.DocumentKeyFilter([])), new(new(1, HalfLifeDays: 10), null)],
            factors,
            s_now);

        Assert.Equal([2, 1, 3], boosted.Select(c => c.ChunkId));
        Assert.Equal(3.25, boosted[0].Score, 12);
        Assert.Equal(1.5, boosted[1].Score, 12);
        Assert.Equal(-0.5 / 3, boosted[2].Score, 12);
    }
}
