using RagPlatform.Cli.Status;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Tests.Status;

public sealed class StatusReaderTests
{
    [Fact]
    public async Task Read_SecondTime_HasRateAndRemainingTime()
    {
        var time = new SteppingTime();
        var queued = 100L;
        var api = new FakeApi()
            .On("GET /v1/workspaces/docs", new Workspace("docs", "english", "hashing", "s", 384, new ChunkingSettings(), 1, DateTimeOffset.UnixEpoch))
            .On("GET /v1/workspaces/docs/indexing", _ => FakeApi.Json(new WorkspaceIndexing(200, 100, queued, 0, 0, null, 1)));
        using var http = new HttpClient(api) { BaseAddress = new Uri("http://rag.test/") };
        var reader = new StatusReader(new RagClient(http), time, "docs", 10);

        var first = Assert.Single(await reader.ReadAsync(TestContext.Current.CancellationToken));
        time.Seconds = 2;
        queued = 60;
        var second = Assert.Single(await reader.ReadAsync(TestContext.Current.CancellationToken));

        Assert.Null(first.Rate);
        Assert.Equal((20.0, TimeSpan.FromSeconds(3)), (second.Rate, second.Left));
    }

    [Fact]
    public async Task Read_UnknownWorkspace_SaysSo()
    {
        using var http = new HttpClient(new FakeApi()) { BaseAddress = new Uri("http://rag.test/") };
        var reader = new StatusReader(new RagClient(http), TimeProvider.System, "docs", 10);

        var e = await Assert.ThrowsAsync<CliException>(() => reader.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Contains("no workspace 'docs'", e.Message);
    }

    [Theory]
    [InlineData(7, "7 s")]
    [InlineData(180, "3 min")]
    [InlineData(9000, "2.5 h")]
    [InlineData(-1, "0 s")]
    public void Duration_Seconds_IsAsPeopleSayIt(int seconds, string expected) =>
        Assert.Equal(expected, StatusCommand.Duration(TimeSpan.FromSeconds(seconds)));

    private sealed class SteppingTime : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }
}
