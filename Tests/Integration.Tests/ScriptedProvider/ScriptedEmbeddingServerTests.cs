using System.ClientModel;
using System.Net;
using System.Net.Http.Json;
using System.Numerics.Tensors;
using System.Text.Json;
using OpenAI;
using OpenAI.Embeddings;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Integration.Tests.ScriptedProvider;

public sealed class ScriptedEmbeddingServerTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Embeddings_ByTheOfficialClient_AreUnitVectorsThatResembleSharedWords()
    {
        await using var server = await ScriptedEmbeddingServer.StartAsync(dimensions: 64, Cancelled);
        var client = new EmbeddingClient("scripted", new ApiKeyCredential("key"), new OpenAIClientOptions { Endpoint = server.Address });

        OpenAIEmbeddingCollection answer = await client.GenerateEmbeddingsAsync(
            ["the wing of an aeroplane", "wing of an aeroplane", "patients with fever"], cancellationToken: Cancelled);

        var vectors = answer.Select(embedding => embedding.ToFloats().ToArray()).ToList();
        Assert.All(vectors, vector => Assert.Equal(1f, TensorPrimitives.Norm(vector), 4));
        Assert.True(TensorPrimitives.Dot(vectors[0], vectors[1]) > TensorPrimitives.Dot(vectors[0], vectors[2]) + 0.3f);
        Assert.Equal(ScriptedEmbeddingServer.Embed("scripted", "patients with fever", 64), vectors[2]);
        var request = Assert.Single(server.Requests);
        Assert.Equal((3, "key", "scripted"), (request.Inputs.Count, request.ApiKey, request.Model));
    }

    [Fact]
    public async Task Enqueue_Answers_AreGivenInOrderAndThenTheScriptDecides()
    {
        await using var server = await ScriptedEmbeddingServer.StartAsync(dimensions: 8, Cancelled);
        server.Enqueue(
            new ScriptedAnswer(ScriptedFault.RateLimited, RetryAfter: TimeSpan.FromSeconds(2)),
            new ScriptedAnswer(ScriptedFault.ServerError));

        using var first = await PostAsync(server, "a");
        using var second = await PostAsync(server, "a");
        using var third = await PostAsync(server, "a");

        Assert.Equal(HttpStatusCode.TooManyRequests, first.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(2), first.Headers.RetryAfter!.Delta);
        Assert.Equal(HttpStatusCode.InternalServerError, second.StatusCode);
        Assert.Equal(HttpStatusCode.OK, third.StatusCode);
    }

    [Theory]
    [InlineData(ScriptedFault.TooFew, 1)]
    [InlineData(ScriptedFault.None, 2)]
    [InlineData(ScriptedFault.TooMany, 3)]
    public async Task Fault_OfTheCount_ChangesHowManyVectorsCome(ScriptedFault fault, int expected)
    {
        await using var server = await ScriptedEmbeddingServer.StartAsync(dimensions: 8, Cancelled);
        server.Script = _ => new ScriptedAnswer(fault);

        var data = await DataAsync(server, "a", "b");

        Assert.Equal(expected, data.GetArrayLength());
    }

    [Theory]
    [InlineData(ScriptedFault.Shuffled, new[] { 1, 0 })]
    [InlineData(ScriptedFault.DuplicateIndex, new[] { 0, 0 })]
    public async Task Fault_OfTheOrder_ChangesTheIndexes(ScriptedFault fault, int[] expected)
    {
        await using var server = await ScriptedEmbeddingServer.StartAsync(dimensions: 8, Cancelled);
        server.Script = _ => new ScriptedAnswer(fault);

        var data = await DataAsync(server, "a", "b");

        Assert.Equal(expected, data.EnumerateArray().Select(item => item.GetProperty("index").GetInt32()));
    }

    [Fact]
    public async Task Fault_HalfBody_BreaksTheAnswerOff()
    {
        await using var server = await ScriptedEmbeddingServer.StartAsync(dimensions: 8, Cancelled);
        server.Script = _ => new ScriptedAnswer(ScriptedFault.HalfBody);

        await Assert.ThrowsAsync<HttpRequestException>(() => PostAsync(server, "a"));
    }

    [Fact]
    public async Task FailingMarker_InOneText_RefusesTheWholeRequest()
    {
        await using var server = await ScriptedEmbeddingServer.StartAsync(dimensions: 8, Cancelled);
        server.FailingMarker = "poison";

        using var refused = await PostAsync(server, "fine", "this is poison");
        using var accepted = await PostAsync(server, "fine");

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Equal(HttpStatusCode.OK, accepted.StatusCode);
        Assert.Equal(3, server.TextCount);
    }

    private static async Task<HttpResponseMessage> PostAsync(ScriptedEmbeddingServer server, params string[] texts)
    {
        using var http = new HttpClient();
        return await http.PostAsJsonAsync(server.Address + "/embeddings", new { model = "scripted", input = texts }, Cancelled);
    }

    private static async Task<JsonElement> DataAsync(ScriptedEmbeddingServer server, params string[] texts)
    {
        using var response = await PostAsync(server, texts);
        using var body = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancelled));
        return body.RootElement.GetProperty("data").Clone();
    }
}
