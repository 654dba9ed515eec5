using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class SearchRequestReaderTests
{
    [Theory]
    [InlineData(1f)]
    [InlineData(1e-30f)]
    [InlineData(1e25f)]
    [InlineData(float.Epsilon)]
    [InlineData(float.MaxValue)]
    public void Read_OfAVectorOfAnyLength_TakesItsDirection(float length)
    {
        var query = SearchRequestReader.Read(
            TestWorkspace.Row, new(Mode: SearchMode.Vector, Vector: [length, -length, 0]), out var errors);

        Assert.Empty(errors);
        Assert.Equal([0.70710677f, -0.70710677f, 0], query.Vector!);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Read_OfAVectorWithoutDirection_RefusesIt(float element)
    {
        SearchRequestReader.Read(TestWorkspace.Row, new(Mode: SearchMode.Vector, Vector: [element, 0, 0]), out var errors);

        Assert.Equal("vector", Assert.Single(errors).Key);
    }

    [Fact]
    public void ByKeywordOnly_OfAHybridSearch_LeavesOutTheLowestScore()
    {
        var query = SearchRequestReader.Read(TestWorkspace.Row, new("wings", MinScore: 0.5), out _).ByKeywordOnly();

        Assert.Equal((SearchMode.Keyword, null), (query.Mode, query.Request.MinScore));
    }
}
