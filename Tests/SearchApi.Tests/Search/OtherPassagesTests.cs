using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class OtherPassagesTests
{
    private static readonly RankedPage s_page = new([new(1, 10, 0.5), new(2, 20, 0.4)], 10);

    [Fact]
    public void Rescale_OfPassagesRankedAmongFew_MeasuresThemByTheHit()
    {
        var scaled = OtherPassages.Rescale(s_page, new([new(1, 10, 2), new(3, 10, 1), new(4, 20, 3), new(2, 20, 1.5), new(5, 30, 9)], true));

        Assert.Equal([0.5, 0.25], scaled[10].Select(c => c.Score));
        Assert.Equal([0.4, 0.4], scaled[20].Select(c => c.Score));
        Assert.Empty(scaled[30]);
    }

    [Fact]
    public async Task Find_UntilEachDocumentHasEnough_GoesDeeper()
    {
        var depths = new List<int>();
        var query = new SearchQuery(
            TestWorkspace.Row,
            new("x", SearchMode.Keyword, GroupBy: SearchGrouping.Document, Passages: 2),
            null,
            [],
            QueryText.Parse("x"),
            SearchMode.Keyword);

        var others = await OtherPassages.FindAsync(query, s_page, (depth, documents) =>
        {
            depths.Add(depth);
            Assert.Equal([10, 20], documents.Order());
            return Task.FromResult(depths.Count == 1
                ? new Ranking([new(1, 10, 2), new(3, 10, 1)], false)
                : new Ranking([new(1, 10, 2), new(3, 10, 1), new(6, 10, 0.5), new(2, 20, 0.4), new(4, 20, 0.3), new(5, 20, 0.2)], false));
        });

        Assert.Equal([40, 320], depths);
        Assert.Equal([2, 4, 5], others[20].Select(c => c.ChunkId));
    }
}
