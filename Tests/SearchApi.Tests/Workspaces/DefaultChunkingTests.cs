using RagPlatform.Contracts;
using RagPlatform.SearchApi.Workspaces;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Tests.Workspaces;

public sealed class DefaultChunkingTests
{
    [Theory]
    [InlineData(0, 0, 0, 1200, 200)]
    [InlineData(8191, 0, 0, 1200, 200)]
    [InlineData(256, 0, 0, 500, 83)]
    [InlineData(256, 40_000, 10_000, 600, 100)]
    [InlineData(256, 400, 100, 500, 83)]
    [InlineData(32, 0, 0, 200, 33)]
    public void For_ModelThatTruncates_PassagesFit(int maxTokens, double characters, double counted, int target, int overlap)
    {
        var chunking = DefaultChunking.For(maxTokens, counted == 0 ? null : new TokenRatioRow(1, characters, counted, counted));

        Assert.Equal(new ChunkingSettings(ChunkingStrategy.Markdown, target, overlap), chunking);
    }
}
