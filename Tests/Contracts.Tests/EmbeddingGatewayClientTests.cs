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

    [Theory]
    [InlineData(429, "insufficient_quota", EmbeddingFailure.Quota)]
    [InlineData(402, null, EmbeddingFailure.Quota)]
    [InlineData(429, "rate_limit_exceeded", EmbeddingFailure.Transient)]
    [InlineData(400, "provider_rejected_input", EmbeddingFailure.Refused)]
    [InlineData(413, null, EmbeddingFailure.Refused)]
    [InlineData(422, null, EmbeddingFailure.Refused)]
    [InlineData(401, "invalid_api_key", EmbeddingFailure.Unusable)]
    [InlineData(404, "model_not_found", EmbeddingFailure.Unusable)]
    [InlineData(502, "provider_unusable", EmbeddingFailure.Unusable)]
    [InlineData(502, "bad_provider_answer", EmbeddingFailure.Provider)]
    [InlineData(503, "provider_unavailable", EmbeddingFailure.Provider)]
    [InlineData(500, null, EmbeddingFailure.Provider)]
    [InlineData(503, "database_unavailable", EmbeddingFailure.Transient)]
    [InlineData(502, null, EmbeddingFailure.Transient)]
    [InlineData(504, null, EmbeddingFailure.Transient)]
    [InlineData(408, null, EmbeddingFailure.Transient)]
    [InlineData(0, null, EmbeddingFailure.Transient)]
    public void Failure_StatusAndCode_SayWhatItMeans(int status, string? code, EmbeddingFailure expected) =>
        Assert.Equal(expected, new EmbeddingGatewayException(status, "") { Code = code }.Failure);

    [Fact]
    public async Task Embed_ABudgetIsSpent_IsAnswerInOneRequestWithWhenItBeginsAnew()
    {
        var handler = new Handler(
            HttpStatusCode.TooManyRequests, """{"error":{"message":"Used up.","code":"insufficient_quota"}}""", s_space.Id,
            ("Retry-After", "48300"), (EmbeddingHeaders.BudgetReset, "2030-01-02T00:00:00Z"));
        using var client = Client(handler);

        var e = await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a"));

        Assert.Equal(EmbeddingFailure.Quota, e.Failure);
        Assert.Equal(new DateTimeOffset(2030, 1, 2, 0, 0, 0, TimeSpan.Zero), e.ResetsAt);
        Assert.Equal(TimeSpan.FromSeconds(48_300), e.RetryAfter);
        Assert.Equal(1, handler.Requests);
    }

    [Theory]
    [InlineData(HttpStatusCode.ServiceUnavailable)]
    [InlineData(HttpStatusCode.InternalServerError)]
    [InlineData(HttpStatusCode.TooManyRequests)]
    public async Task Embed_Refused_IsNotRepeated(HttpStatusCode status)
    {
        var handler = new Handler(status, "{}", s_space.Id);
        using var client = Client(handler);

        await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a"));

        Assert.Equal(1, handler.Requests);
    }

    [Fact]
    public async Task Embed_NobodyListens_IsTransient()
    {
        // Reserved and closed again: nothing listens there.
        var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        using var client = new EmbeddingGatewayClient(new Uri($"http://127.0.0.1:{port}/"), "key");

        var e = await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a"));

        Assert.Equal((0, EmbeddingFailure.Transient), (e.Status, e.Failure));
        Assert.Equal(0, (await Assert.ThrowsAsync<EmbeddingGatewayException>(() => client.ListModelsAsync(Cancellation))).Status);
    }

    [Theory]
    [InlineData("<html>Welcome to nginx</html>")]
    [InlineData("""{"data":[{"index":0,"embedding":"AAC""")]
    [InlineData("""{"data":[{"index":0,"embedding":7}]}""")]
    [InlineData("""{"data":[{"index":0,"embedding":"!!!!"}]}""")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task Embed_AnAnswerThatCannotBeRead_IsNoFaultOfTheTexts(string answer)
    {
        using var client = Client(HttpStatusCode.OK, answer);

        var e = await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a"));

        Assert.True(e.IsTransient);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("""{"error":"no"}""")]
    [InlineData("""{"error":{"message":7,"code":[]}}""")]
    [InlineData("upstream connect error")]
    public async Task Embed_ARefusalOfAnotherShape_HasItsStatus(string answer)
    {
        using var client = Client(HttpStatusCode.BadGateway, answer);

        var e = await Assert.ThrowsAsync<EmbeddingGatewayException>(() => EmbedAsync(client, "a"));

        Assert.Equal((502, EmbeddingFailure.Transient), (e.Status, e.Failure));
    }

    [Theory]
    [InlineData(EmbeddingInput.Query)]
    [InlineData(EmbeddingInput.Document)]
    public async Task Embed_NeverAnswered_EndsAtItsBound(EmbeddingInput input)
    {
        var time = new SteppedTime();
        using var client = new EmbeddingGatewayClient(new Uri("http://embedding.test/"), "key", new SilentHandler(), time);

        var call = client.EmbedAsync(s_space, s_space.Id, ["a"], input, "w", Cancellation);
        Assert.Equal(input == EmbeddingInput.Query ? EmbeddingGatewayClient.QueryTimeout : EmbeddingGatewayClient.DocumentTimeout, time.Due);
        time.Fire();

        Assert.Equal(0, (await Assert.ThrowsAsync<EmbeddingGatewayException>(() => call)).Status);
    }

    [Fact]
    public async Task Embed_CancelledByItsCaller_IsNoFailure()
    {
        using var cancellation = new CancellationTokenSource();
        using var client = Client(new SilentHandler());

        var call = client.EmbedAsync(s_space, s_space.Id, ["a"], EmbeddingInput.Query, "w", cancellation.Token);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    private static Task<IReadOnlyList<ReadOnlyMemory<float>>> EmbedAsync(EmbeddingGatewayClient client, params string[] texts) =>
        client.EmbedAsync(s_space, s_space.Id, texts, EmbeddingInput.Document, "w", Cancellation);

    private static EmbeddingGatewayClient Client(HttpStatusCode status, string answer, string? space = null) =>
        Client(new Handler(status, answer, space ?? s_space.Id));

    private static EmbeddingGatewayClient Client(HttpMessageHandler handler) => new(new Uri("http://embedding.test/"), "key", handler);

    private static string Answer(params (int Index, float[] Vector)[] vectors) =>
        $$"""
        {"object":"list","model":"m","usage":{"prompt_tokens":1,"total_tokens":1},"data":[{{string.Join(',', vectors.Select(v =>
            $$"""{"object":"embedding","index":{{v.Index}},"embedding":"{{Convert.ToBase64String(MemoryMarshal.AsBytes(v.Vector.AsSpan()))}}"}"""))}}]}
        """;

    private sealed class Handler(
        HttpStatusCode status, string answer, string space, params (string Name, string Value)[] headers) : HttpMessageHandler
    {
        public int Requests { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Requests++;
            var response = new HttpResponseMessage(status) { Content = new StringContent(answer, Encoding.UTF8, "application/json") };
            response.Headers.Add(EmbeddingHeaders.Space, space);
            foreach (var (name, value) in headers)
            {
                response.Headers.Add(name, value);
            }

            return Task.FromResult(response);
        }
    }

    private sealed class SilentHandler : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return new();
        }
    }

    // Its only timer fires when it is told to.
    private sealed class SteppedTime : TimeProvider
    {
        private TimerCallback? _callback;
        private object? _state;

        public TimeSpan Due { get; private set; }

        public void Fire() => _callback!(_state);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            (_callback, _state, Due) = (callback, state, dueTime);
            return new Timer();
        }

        private sealed class Timer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
                // Nothing runs.
            }

            public ValueTask DisposeAsync() => default;
        }
    }
}
