using System.Net;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Providers.HuggingFace;

namespace RagPlatform.EmbeddingService.Tests.Providers;

public sealed class HuggingFaceEmbeddingGeneratorTests
{
    [Fact]
    public async Task Generate_Texts_AnswersTheirVectors()
    {
        var handler = new Handler(HttpStatusCode.OK, "[[0.1,0.2],[0.3,0.4]]");

        var answer = await Create(handler).GenerateAsync(["a", "b"], cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal([0.3f, 0.4f], answer[1].Vector.ToArray());
        Assert.Equal("http://hf.test/models/org/model/pipeline/feature-extraction", handler.Url);
        Assert.Equal("Bearer token", handler.Authorization);
        Assert.Contains("\"inputs\":[\"a\",\"b\"]", handler.Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(200, "{\"error\":\"x\"}", ProviderFailure.Malformed)]
    [InlineData(200, "null", ProviderFailure.Malformed)]
    [InlineData(200, "[[0.1", ProviderFailure.Malformed)]
    [InlineData(503, "", ProviderFailure.Transient)]
    [InlineData(429, "", ProviderFailure.RateLimited)]
    [InlineData(400, "", ProviderFailure.Rejected)]
    [InlineData(401, "", ProviderFailure.Unusable)]
    public async Task Generate_BadAnswer_IsClassified(int status, string body, object failure)
    {
        var error = await Assert.ThrowsAsync<ProviderException>(() => Create(new Handler((HttpStatusCode)status, body)).GenerateAsync(["a"], cancellationToken: TestContext.Current.CancellationToken));

        Assert.Equal((ProviderFailure)failure, error.Failure);
    }

    [Fact]
    public async Task Generate_NoAnswer_IsTransient()
    {
        var error = await Assert.ThrowsAsync<ProviderException>(() => Create(new Handler(null, "")).GenerateAsync(["a"], cancellationToken: TestContext.Current.CancellationToken));

        Assert.Equal(ProviderFailure.Transient, error.Failure);
    }

    private static HuggingFaceEmbeddingGenerator Create(Handler handler) =>
        new(new ProviderHttp(handler), new Uri("http://hf.test/"), "token", "org/model", TimeProvider.System);

    private sealed class Handler(HttpStatusCode? status, string body) : HttpMessageHandler
    {
        public string Url { get; private set; } = "";

        public string Body { get; private set; } = "";

        public string Authorization { get; private set; } = "";

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Url = request.RequestUri!.ToString();
            Authorization = request.Headers.Authorization!.ToString();
            Body = await request.Content!.ReadAsStringAsync(cancellationToken);
            return status is { } code
                ? new HttpResponseMessage(code) { Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json") }
                : throw new HttpRequestException("refused");
        }
    }
}
