using Microsoft.Extensions.AI;
using RagPlatform.EmbeddingService.Providers.Hashing;

namespace RagPlatform.EmbeddingService.Tests.Providers.Hashing;

public sealed class HashingEmbeddingGeneratorTests
{
    [Fact]
    public async Task GenerateAsync_Texts_GivesOneVectorEachInOrder()
    {
        using var generator = new HashingEmbeddingGenerator();
        string[] texts = ["vector search", "", "keyword search"];

        var embeddings = await generator.GenerateAsync(texts, cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal(3, embeddings.Count);
        for (var i = 0; i < texts.Length; i++)
        {
            var expected = new float[384];
            HashingEmbedding.Embed(texts[i], expected);
            Assert.Equal(expected, embeddings[i].Vector.ToArray());
            Assert.Equal("hashing", embeddings[i].ModelId);
        }

        Assert.Equal(4, embeddings.Usage?.InputTokenCount);
        Assert.Equal(4, embeddings.Usage?.TotalTokenCount);
    }

    [Fact]
    public async Task GenerateAsync_DimensionsInRequest_OverrideTheDefault()
    {
        using var generator = new HashingEmbeddingGenerator(512);
        var cancellation = TestContext.Current.CancellationToken;

        var byDefault = await generator.GenerateAsync(["text"], cancellationToken: cancellation);
        var asked = await generator.GenerateAsync(["text"], new EmbeddingGenerationOptions { Dimensions = 96 }, cancellation);

        Assert.Equal(512, byDefault[0].Vector.Length);
        Assert.Equal(96, asked[0].Vector.Length);
    }

    [Theory]
    [InlineData(63)]
    [InlineData(4097)]
    public async Task GenerateAsync_DimensionsOutOfRange_Throws(int dimensions)
    {
        using var generator = new HashingEmbeddingGenerator();

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => generator.GenerateAsync(
            ["text"], new EmbeddingGenerationOptions { Dimensions = dimensions }, TestContext.Current.CancellationToken));
        Assert.Throws<ArgumentOutOfRangeException>(() => new HashingEmbeddingGenerator(dimensions));
    }

    [Fact]
    public async Task GenerateAsync_Cancelled_Throws()
    {
        using var generator = new HashingEmbeddingGenerator();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => generator.GenerateAsync(["text"], cancellationToken: new CancellationToken(canceled: true)));
    }

    [Fact]
    public void GetService_Metadata_NamesProviderModelAndDimensions()
    {
        using var generator = new HashingEmbeddingGenerator(256);

        var metadata = Assert.IsType<EmbeddingGeneratorMetadata>(generator.GetService(typeof(EmbeddingGeneratorMetadata)));
        Assert.Equal("hashing", metadata.ProviderName);
        Assert.Equal("hashing", metadata.DefaultModelId);
        Assert.Equal(256, metadata.DefaultModelDimensions);
        Assert.Same(generator, generator.GetService(typeof(IEmbeddingGenerator<string, Embedding<float>>)));
        Assert.Null(generator.GetService(typeof(EmbeddingGeneratorMetadata), serviceKey: "other"));
    }
}
