using Microsoft.Extensions.DependencyInjection;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Tests.Infrastructure;

namespace RagPlatform.EmbeddingService.Tests.Registry;

public sealed class ModelCatalogTests
{
    [Fact]
    public async Task Create_HuggingFaceKey_OffersItsModels()
    {
        await using var service = await TestGateway.StartAsync(null, ("HF_API_KEY", "h"), ("EMBEDDINGS_PROVIDER", "huggingface"));
        var registry = service.Services.GetRequiredService<ModelRegistry>();

        Assert.Equal("sentence-transformers/all-MiniLM-L6-v2", registry.DefaultModel);
        Assert.Equal(768, registry.Find("sentence-transformers/all-mpnet-base-v2")!.Definition.Space.Dimensions);
    }

    [Fact]
    public async Task Create_KnownModelWithOtherSettings_IsAnotherSpace()
    {
        await using var service = await TestGateway.StartAsync(
            null,
            ("Embedding:Models:0:Name", "text-embedding-3-small"),
            ("Embedding:Models:0:QueryPrompt", "q: "),
            ("Embedding:Models:0:PricePerMillionTokens", "0.5"),
            ("Embedding:Models:0:Providers:0", "openai"));
        var model = service.Services.GetRequiredService<ModelRegistry>().Find("text-embedding-3-small")!;

        Assert.NotEqual(KnownModels.Find("text-embedding-3-small")!.Space.Id, model.Definition.Space.Id);
        Assert.Equal(1536, model.Definition.Space.Dimensions);
        Assert.Equal(0.5m, model.Definition.PricePerMillionTokens);
    }

    [Fact]
    public async Task Create_Again_WhatWasLearnedOfEndpointsStays()
    {
        await using var service = await TestGateway.StartAsync();
        var catalog = service.Services.GetRequiredService<ModelCatalog>();
        var before = service.Services.GetRequiredService<ModelRegistry>().Find("text-embedding-3-small")!.Endpoints[0];
        before.State.Impostor = true;
        var options = service.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<EmbeddingOptions>>().Value;

        var after = catalog.Create(options).Single(model => model.Definition.Name == "text-embedding-3-small").Endpoints[0];

        Assert.NotSame(before, after);
        Assert.False(after.Healthy);
        Assert.Same(before.Breaker, after.Breaker);
    }

    [Theory]
    [InlineData("Embedding:DefaultModel", "nope", "default model")]
    [InlineData("Embedding:Models:0:Name", "own", "Dimensions")]
    [InlineData("Embedding:Models:0:Name", "hashing", "built in")]
    [InlineData("Embedding:Providers:openai:MaxInFlight", "0", "MaxInFlight")]
    [InlineData("Embedding:Cache:MemoryTtl", "00:00:00", "MemoryTtl")]
    public async Task Start_SettingThatCannotBe_SaysWhich(string key, string value, string expected)
    {
        var error = await Assert.ThrowsAnyAsync<Exception>(() => TestGateway.StartAsync(null, (key, value)));

        Assert.Contains(expected, error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_ModelOfAnUnknownProvider_SaysSo()
    {
        var error = await Assert.ThrowsAnyAsync<Exception>(() => TestGateway.StartAsync(
            null, ("Embedding:Models:0:Name", "own"), ("Embedding:Models:0:Dimensions", "3"), ("Embedding:Models:0:Providers:0", "elsewhere")));

        Assert.Contains("elsewhere", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cost_Tokens_AreRoundedUpToMillionthsOfADollar()
    {
        var model = KnownModels.Find("text-embedding-3-small")!;

        Assert.Equal(20_000, model.Cost(1_000_000));
        Assert.Equal(1, model.Cost(1));
        Assert.Equal(0, model.Cost(0));
    }
}
