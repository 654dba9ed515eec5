using Microsoft.Extensions.DependencyInjection;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Tests.Infrastructure;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Tests.Registry;

public sealed class ModelAliasesTests
{
    [Fact]
    public async Task Resolve_RaisedShare_OnlyMovesWorkspacesToTheOther()
    {
        await using var service = await TestGateway.StartAsync();
        var aliases = service.Services.GetRequiredService<ModelAliases>();
        HashSet<string> before = [];
        foreach (var share in new[] { 0f, 0.01f, 0.05f, 0.25f, 0.5f, 1f })
        {
            aliases.Replace([new EmbeddingAliasRow("default", "a", "b", share)]);
            var others = Enumerable.Range(0, 2_000).Select(i => $"w{i}").Where(w => aliases.Resolve("default", w, "x") == "b").ToHashSet();

            Assert.InRange(others.Count, (share * 2_000) - 70, (share * 2_000) + 70);
            Assert.Superset(before, others);
            before = others;
        }
    }

    [Fact]
    public async Task Resolve_FlagIsOff_EverybodyHasTheFirstModel()
    {
        await using var service = await TestGateway.StartAsync(null, ("FeatureManagement:ModelAlias", "false"));
        var aliases = service.Services.GetRequiredService<ModelAliases>();
        aliases.Replace([new EmbeddingAliasRow("default", "a", "b", 1)]);

        Assert.False(service.Services.GetRequiredService<GatewayFeatures>().Alias);
        Assert.Equal("a", aliases.Resolve("default", "w", "x"));
        Assert.Equal("other", aliases.Resolve("other", "w", "x"));
    }

    [Fact]
    public async Task Post_DefaultAlias_AnswersFromTheDefaultModelAndNamesIt()
    {
        await using var service = await TestGateway.StartAsync();

        var (status, body, _) = await service.PostAsync(new { model = "default", input = "a" });

        Assert.Equal(200, status);
        Assert.Equal("hashing", body.GetProperty("model").GetString());
    }
}
