using RagPlatform.Contracts;

namespace RagPlatform.Cli.Tests.Searching;

public sealed class LoadCommandTests
{
    [Fact]
    public async Task Run_ForNoTime_SendsOneUncachedSearchAndSaysHowItWent()
    {
        var api = new FakeApi()
            .On("GET /v1/workspaces/w/documents?limit=100", new Page<DocumentSummary>([], null))
            .On("POST /v1/workspaces/w/search", new { hits = Array.Empty<object>(), mode = "hybrid", plan = "none", space = "s", generation = 1, cached = false });

        var run = await CliRun.RunAsync(api, "load", "--workspace", "w", "--rate", "100", "--seconds", "0");

        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains("\"noCache\":true", Assert.Single(api.Requests, request => request.Request.EndsWith("/search", StringComparison.Ordinal)).Body);
        Assert.Contains("0 left out", run.Output);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1001")]
    public async Task Run_RateOutOfRange_IsRefused(string rate)
    {
        var run = await CliRun.RunAsync(new FakeApi(), "load", "--workspace", "w", "--rate", rate);

        Assert.Equal(ExitCode.Usage, run.Exit);
    }
}
