using System.Net;
using System.Runtime.InteropServices;
using System.Text;

namespace RagPlatform.Contracts.Tests;

public sealed class EmbeddingGatewayClientTests
{
    private static readonly EmbeddingSpace s_space = new("m", "", 2);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Embed_ShuffledAnswer_IsInTheOrderOfTheTexts()
    {
        using var client = Client(HttpStatusCode.OK, Answer((1, [0, 1]), (0, [1, 0])));

        var vectors = await EmbedAsync(client, "a", "b");

        Assert.Equal([1f, 0f], vectors[0].ToArray());
        Assert.Equal([0f, 1f], vectors[1].ToArray());
    }

    [Fact]
    public async Task Embed_TooFewVectors_IsAnError()
    {
        using var client = Client(HttpStatusCode.OK, Answer((0, [1, 0])));

        var e = await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a", "b"));

        Assert.Equal(502, e.Status);
    }

    [Fact]
    public async Task Embed_TheSameIndexTwice_IsAnError()
    {
        using var client = Client(HttpStatusCode.OK, Answer((0, [1, 0]), (0, [0, 1])));

        Assert.Equal(502, (await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a", "b"))).Status);
    }

    [Fact]
    public async Task Embed_AnotherDimension_IsAnError()
    {
        using var client = Client(HttpStatusCode.OK, Answer((0, [1, 0, 0])));

        Assert.Equal(502, (await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a"))).Status);
    }

    [Fact]
    public async Task Embed_AnotherSpace_IsAnError()
    {
        using var client = Client(HttpStatusCode.OK, Answer((0, [1, 0])), space: "other");

        Assert.Equal(409, (await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a"))).Status);
    }

    [Theory]
    [InlineData(HttpStatusCode.BadRequest, false)]
    [InlineData(HttpStatusCode.TooManyRequests, true)]
    public async Task Embed_AnErrorOfOpenAIsShape_CarriesItsMessageAndWhetherToTryAgain(HttpStatusCode status, bool isTransient)
    {
        using var client = Client(status, """{"error":{"message":"No such luck.","type":"x","code":null,"param":null}}""");

        var e = await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a"));

        Assert.Equal((int)status, e.Status);
        Assert.Equal(isTransient, e.IsTransient);
        Assert.Contains("No such luck.", e.Message, StringComparison.Ordinal);
    }

    private static Task<IReadOnlyList<ReadOnlyMemory<float>>> EmbedAsync(EmbeddingGatewayClient client, params string[] texts) =>
        client.EmbedAsync(s_space, s_space.Id, texts, EmbeddingInput.Document, "w", Cancellation);

    private static EmbeddingGatewayClient Client(HttpStatusCode status, string answer, string? space = null) =>
        new(new Uri("http://embedding.test/"), "key", new Handler(status, answer, space ?? s_space.Id));

    private static string Answer(params (int Index, float[] Vector)[] vectors) =>
        $$"""
        {"object":"list","model":"m","usage":{"prompt_tokens":1,"total_tokens":1},"data":[{{string.Join(',', vectors.Select(v =>
            $$"""{"object":"embedding","index":{{v.Index}},"embedding":"{{Convert.ToBase64String(MemoryMarshal.AsBytes(v.Vector.AsSpan()))}}"}"""))}}]}
        """;

    private sealed class Handler(HttpStatusCode status, string answer, string space) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = new HttpResponseMessage(status) { Content = new StringContent(answer, Encoding.UTF8, "application/json") };
            response.Headers.Add(EmbeddingHeaders.Space, space);

            // The client may wait before it tries again, for as long as it is told.
            response.Headers.Add("retry-after-ms", "1");
            return Task.FromResult(response);
        }
    }
}
