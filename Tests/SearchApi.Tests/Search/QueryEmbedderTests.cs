using System.Diagnostics.Metrics;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class QueryEmbedderTests
{
    private const string Vector = """{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[1,0,0]}],"usage":{"prompt_tokens":1,"total_tokens":1}}""";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(HttpStatusCode.TooManyRequests, "insufficient_quota", EmbeddingFailure.Quota)]
    [InlineData(HttpStatusCode.ServiceUnavailable, "provider_unavailable", EmbeddingFailure.Provider)]
    [InlineData(HttpStatusCode.BadRequest, "invalid_request", EmbeddingFailure.Refused)]
    [InlineData(HttpStatusCode.InternalServerError, "", EmbeddingFailure.Provider)]
    public async Task Embed_OfAServiceThatRefuses_LeavesHybridWithoutAndTellsVector(HttpStatusCode status, string code, EmbeddingFailure failure)
    {
        var embedder = Create((_, _) => Task.FromResult(Answer(status, $$$"""{"error":{"message":"no","code":"{{{code}}}"}}""")));
        var trace = new SearchTrace(TimeProvider.System);

        Assert.Null(await embedder.EmbedAsync(Query(SearchMode.Hybrid), trace, Cancelled));
        var refused = await Assert.ThrowsAsync<EmbeddingGatewayException>(
            () => embedder.EmbedAsync(Query(SearchMode.Vector), new(TimeProvider.System), Cancelled));

        Assert.Equal(["embedding"], trace.Degraded);
        Assert.Equal(failure, refused.Failure);
    }

    [Fact]
    public async Task Embed_OfAServiceThatIsAway_LeavesHybridWithout()
    {
        var embedder = Create((_, _) => throw new HttpRequestException("refused", new System.Net.Sockets.SocketException(111)));
        var trace = new SearchTrace(TimeProvider.System);

        Assert.Null(await embedder.EmbedAsync(Query(SearchMode.Hybrid), trace, Cancelled));

        Assert.Equal(["embedding"], trace.Degraded);
    }

    [Fact]
    public async Task Embed_OfAServiceThatHangs_EndsAtItsOwnDeadline()
    {
        var left = new TaskCompletionSource();
        var embedder = Create(
            async (_, token) =>
            {
                await using var leaving = token.Register(left.SetResult);
                await Task.Delay(Timeout.InfiniteTimeSpan, token);
                return Answer(HttpStatusCode.OK, Vector);
            },
            TimeSpan.FromMilliseconds(20));
        var trace = new SearchTrace(TimeProvider.System);

        Assert.Null(await embedder.EmbedAsync(Query(SearchMode.Hybrid), trace, Cancelled));

        Assert.Equal(["embedding"], trace.Degraded);
        await left.Task.WaitAsync(Cancelled);
    }

    [Fact]
    public async Task Embed_WhoseCallerLeaves_IsCancelledAndNotDegraded()
    {
        using var leaving = new CancellationTokenSource();
        var embedder = Create(async (_, token) =>
        {
            await leaving.CancelAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            return Answer(HttpStatusCode.OK, Vector);
        });
        var trace = new SearchTrace(TimeProvider.System);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => embedder.EmbedAsync(Query(SearchMode.Hybrid), trace, leaving.Token));

        Assert.Empty(trace.Degraded);
    }

    [Fact]
    public async Task Embed_OfAWholeAnswer_IsTheVector()
    {
        var embedder = Create((_, _) => Task.FromResult(Answer(HttpStatusCode.OK, Vector)));
        var trace = new SearchTrace(TimeProvider.System);

        var vector = await embedder.EmbedAsync(Query(SearchMode.Hybrid), trace, Cancelled);

        Assert.Equal([1f, 0f, 0f], vector!);

        Assert.Empty(trace.Degraded);
    }

    [Fact]
    public async Task Embed_OfASearchThatNeedsNoVectorOrHasOne_AsksNobody()
    {
        var embedder = Create((_, _) => throw new InvalidOperationException("asked"));

        Assert.Null(await embedder.EmbedAsync(Query(SearchMode.Keyword), new(TimeProvider.System), Cancelled));
        var given = await embedder.EmbedAsync(Query(SearchMode.Vector) with { Vector = [1, 0, 0] }, new(TimeProvider.System), Cancelled);

        Assert.Equal([1f, 0f, 0f], given!);
    }

    [Fact]
    public async Task Deadline_OfWorkThatNeverEnds_EndsAllTheSame()
    {
        using var deadline = new SearchDeadline(TimeSpan.FromMilliseconds(10), TimeProvider.System, Cancelled);

        await Assert.ThrowsAsync<TimeoutException>(() => deadline.WaitAsync(new TaskCompletionSource<int>().Task));
    }

    [Fact]
    public async Task Deadline_OfWaitingThatBeganBefore_CountsFromThere()
    {
        var began = TimeProvider.System.GetTimestamp() - TimeProvider.System.TimestampFrequency;
        using var deadline = new SearchDeadline(TimeSpan.FromSeconds(1), TimeProvider.System, Cancelled, began);

        await Assert.ThrowsAsync<TimeoutException>(() => deadline.WaitAsync(new TaskCompletionSource<int>().Task));
    }

    private static SearchQuery Query(SearchMode mode) => SearchRequestReader.Read(TestWorkspace.Row, new("wings", mode), out _);

    private static HttpResponseMessage Answer(HttpStatusCode status, string json) =>
        new(status) { Content = new StringContent(json, Encoding.UTF8, "application/json") };

    private static QueryEmbedder Create(
        Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> answer, TimeSpan? timeout = null) => new(
        new EmbeddingGatewayClient(new("http://embedding.test/"), "key", new Handler(answer)),
        new SearchMetrics(new Meters()),
        Options.Create(new SearchOptions { EmbeddingTimeout = timeout ?? TimeSpan.FromSeconds(30) }),
        TimeProvider.System,
        NullLogger<QueryEmbedder>.Instance);

    private sealed class Handler(Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            answer(request, cancellationToken);
    }

    private sealed class Meters : IMeterFactory
    {
        public Meter Create(MeterOptions options) => new(options);

        public void Dispose()
        {
            // Meters of a test go with it.
        }
    }
}
