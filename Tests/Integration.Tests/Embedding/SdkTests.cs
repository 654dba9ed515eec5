using System.ClientModel;
using OpenAI;
using RagPlatform.Contracts;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Integration.Tests.Embedding;

/// <summary>The official .NET SDK, as it is.</summary>
public sealed class SdkTests : IAsyncLifetime
{
    private ScriptedEmbeddingServer _provider = null!;
    private Replica _replica = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _provider = await ScriptedEmbeddingServer.StartAsync();
        _replica = await Replica.StartAsync(_provider, null, null, "sdk");
    }

    public async ValueTask DisposeAsync()
    {
        await _replica.DisposeAsync();
        await _provider.DisposeAsync();
    }

    [Fact]
    public async Task GenerateEmbeddings_SeveralTexts_AreInOrderWithUsage()
    {
        var client = Create(Replica.AdminKey).GetEmbeddingClient(Replica.Model);

        var answer = (await client.GenerateEmbeddingsAsync(["one two", "three"], new() { Dimensions = Replica.Dimensions, EndUserId = "me" }, Token)).Value;

        Assert.Equal(2, answer.Count);
        Assert.Equal(Replica.Right("one two"), answer[0].ToFloats().ToArray());
        Assert.Equal(Replica.Right("three"), answer[1].ToFloats().ToArray());
        Assert.Equal((3, 3), (answer.Usage.InputTokenCount, answer.Usage.TotalTokenCount));
        Assert.Equal(Replica.Model, answer.Model);
    }

    [Fact]
    public async Task GenerateEmbeddings_Refused_IsTheSdksException()
    {
        var unknown = await Assert.ThrowsAsync<ClientResultException>(() => Create(Replica.AdminKey).GetEmbeddingClient("nope").GenerateEmbeddingAsync("x", cancellationToken: Token));
        var stranger = await Assert.ThrowsAsync<ClientResultException>(() => Create("another-key-0123456789").GetEmbeddingClient("hashing").GenerateEmbeddingAsync("x", cancellationToken: Token));

        Assert.Equal(404, unknown.Status);
        Assert.Contains("model_not_found", unknown.Message, StringComparison.Ordinal);
        Assert.Equal(401, stranger.Status);
    }

    [Fact]
    public async Task GetModels_List_HasOurs()
    {
        var models = (await Create(Replica.AdminKey).GetOpenAIModelClient().GetModelsAsync(Token)).Value;

        Assert.Contains(models, model => model.Id == "hashing");
    }

    [Fact]
    public async Task GatewayClient_DemandedSpace_IsAnsweredOrRefused()
    {
        using var client = new EmbeddingGatewayClient(_replica.Http.BaseAddress!, Replica.AdminKey);
        var hashing = Assert.Single(await client.ListModelsAsync(Token), model => model.Default);

        var vectors = await client.EmbedAsync(hashing.Space, hashing.SpaceId, ["a text"], EmbeddingInput.Query, "docs", Token);
        var refused = await Assert.ThrowsAsync<EmbeddingGatewayException>(() => client.EmbedAsync(hashing.Space, "another_1_00000000", ["a text"], EmbeddingInput.Query, "docs", Token));

        Assert.Equal(384, vectors.Single().Length);
        Assert.Equal((409, false), (refused.Status, refused.IsTransient));
    }

    private OpenAIClient Create(string key) => new(new ApiKeyCredential(key), new OpenAIClientOptions { Endpoint = new Uri(_replica.Http.BaseAddress!, "v1") });
}
