using System.Net;
using System.Net.Http.Headers;
using RagPlatform.Cli.Connections;

namespace RagPlatform.Cli.Tests.Connections;

public sealed class RetryHandlerTests
{
    private static readonly Uri s_uri = new("http://rag.test/");

    [Fact]
    public async Task Send_PostponedThenAnswered_TriesAgainAfterTheNamedTime()
    {
        var time = new SkippingTime();
        using var client = Client(new Sequence(Status(HttpStatusCode.TooManyRequests, retryAfter: 7), Status(HttpStatusCode.OK)), time);
        using var response = await client.GetAsync(s_uri, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal([TimeSpan.FromSeconds(7)], time.Delays);
    }

    [Fact]
    public async Task Send_AlwaysBusyAndNotPatient_GivesUpSoon()
    {
        var time = new SkippingTime();
        var sequence = new Sequence(Status(HttpStatusCode.ServiceUnavailable));
        using var client = Client(sequence, time);
        using var response = await client.GetAsync(s_uri, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(4, sequence.Sent);
        Assert.InRange(time.Delays.Sum(delay => delay.TotalSeconds), 1, 4);
    }

    [Fact]
    public async Task Send_RetryAfterIsTooLong_AnswersAtOnce()
    {
        var sequence = new Sequence(Status(HttpStatusCode.TooManyRequests, retryAfter: 3600));
        using var client = Client(sequence, new SkippingTime());
        using var response = await client.GetAsync(s_uri, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.TooManyRequests, response.StatusCode);
        Assert.Equal(1, sequence.Sent);
    }

    [Theory]
    [InlineData(HttpStatusCode.BadRequest)]
    [InlineData(HttpStatusCode.InternalServerError)]
    public async Task Send_OtherErrors_AreNotTriedAgain(HttpStatusCode status)
    {
        var sequence = new Sequence(Status(status));
        using var client = Client(sequence, new SkippingTime(), patient: true);
        using var response = await client.GetAsync(s_uri, TestContext.Current.CancellationToken);

        Assert.Equal(status, response.StatusCode);
        Assert.Equal(1, sequence.Sent);
    }

    [Fact]
    public async Task Send_NeverReached_FailsAtOnceEvenIfPatient()
    {
        var sequence = new Sequence(() => throw new HttpRequestException("refused"));
        using var client = Client(sequence, new SkippingTime(), patient: true);

        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(s_uri, TestContext.Current.CancellationToken));
        Assert.Equal(1, sequence.Sent);
    }

    [Fact]
    public async Task Send_LostAfterAnAnswer_WaitsForTheRestart()
    {
        Func<HttpResponseMessage> refused = () => throw new HttpRequestException("refused");
        var sequence = new Sequence(Status(HttpStatusCode.OK), refused, refused, refused, Status(HttpStatusCode.Created));
        using var client = Client(sequence, new SkippingTime(), patient: true);
        using var first = await client.GetAsync(s_uri, TestContext.Current.CancellationToken);
        using var second = await client.GetAsync(s_uri, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.Created, second.StatusCode);
        Assert.Equal(5, sequence.Sent);
    }

    private static HttpClient Client(Sequence sequence, TimeProvider time, bool patient = false) =>
        new(new RetryHandler(time, patient) { InnerHandler = sequence });

    private static Func<HttpResponseMessage> Status(HttpStatusCode status, int? retryAfter = null) => () =>
    {
        var response = new HttpResponseMessage(status);
        if (retryAfter is { } seconds)
        {
            response.Headers.RetryAfter = new RetryConditionHeaderValue(TimeSpan.FromSeconds(seconds));
        }

        return response;
    };

    // The last answer repeats.
    private sealed class Sequence(params Func<HttpResponseMessage>[] answers) : HttpMessageHandler
    {
        public int Sent { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(answers[Math.Min(Sent++, answers.Length - 1)]());
    }

    // Delays end at once and are written down; a timer of an hour or of an attempt never fires.
    private sealed class SkippingTime : TimeProvider
    {
        public List<TimeSpan> Delays { get; } = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime >= TimeSpan.FromSeconds(100) || dueTime < TimeSpan.Zero)
            {
                return System.CreateTimer(_ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }

            Delays.Add(dueTime);
            return System.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}
