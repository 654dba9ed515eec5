using RagPlatform.IndexingWorker.Queue;

namespace RagPlatform.IndexingWorker.Tests.Queue;

public sealed class IndexingLoopTests
{
    private static (int Count, IReadOnlyList<int> Full) Room(params int[] inWork) =>
        IndexingLoop.Room(inWork.Index().ToDictionary(pair => pair.Index, pair => pair.Item), [], most: 256, claim: 64);

    [Fact]
    public void Room_NothingInWork_AClaim()
    {
        Assert.Equal(64, Room().Count);
        Assert.Empty(Room().Full);
    }

    [Theory]
    [InlineData(200, 56)]
    [InlineData(240, 16)]
    [InlineData(0, 64)]
    public void Room_OneSpace_NeverMoreThanItsOwn(int inWork, int expected)
    {
        Assert.Equal(expected, Room(inWork).Count);
        Assert.Empty(Room(inWork).Full);
    }

    [Theory]
    [InlineData(241)]
    [InlineData(256)]
    public void Room_ASpaceHasItsShare_OthersAreClaimed(int inWork)
    {
        Assert.Equal([0], Room(inWork).Full);
        Assert.Equal(64, Room(inWork).Count);
    }

    [Fact]
    public void Room_ASpaceThatRested_AFewOfItAreTriedAndNoMoreBesideThem()
    {
        var (count, full) = IndexingLoop.Room(new Dictionary<int, int>(), [7], most: 256, claim: 64);
        Assert.Equal(16, count);
        Assert.Empty(full);

        (count, full) = IndexingLoop.Room(new Dictionary<int, int> { [7] = 1, [8] = 3 }, [7], most: 256, claim: 64);
        Assert.Equal(16, count);
        Assert.Equal([7], full);
    }

    [Fact]
    public void Room_ManySpacesThatAreStuck_ThereIsAlwaysRoomForAnotherOne()
    {
        var stuck = new List<int>();
        for (var i = 0; i < 100; i++)
        {
            var (count, _) = Room([.. stuck]);
            Assert.InRange(count, 1, 64);

            // The newcomer is stuck as well, with all it can get.
            stuck.Add(0);
            while (Room([.. stuck]) is var (more, full) && !full.Contains(i))
            {
                stuck[i] += more;
            }
        }

        Assert.InRange(stuck.Sum(), 256, (4 * 256) + 100);
    }
}
