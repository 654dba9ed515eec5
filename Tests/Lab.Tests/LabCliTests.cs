using RagPlatform.Cli;

namespace RagPlatform.Lab.Tests;

public sealed class LabCliTests
{
    [Fact]
    public async Task Run_Help_ListsTheVerbsOfBothPrograms()
    {
        var (exit, output, _) = await RunAsync("--help");

        Assert.Equal(ExitCode.Success, exit);
        foreach (var verb in (string[])["ingest", "search", "eval", "bench", "drill", "completion"])
        {
            Assert.Contains($"  {verb} ", output);
        }
    }

    [Theory]
    [InlineData("rag eval ", "retrieval")]
    [InlineData("rag bench ", "embed")]
    [InlineData("rag drill indexing --see", "--seeds")]
    [InlineData("rag sear", "search")]
    public async Task Complete_Line_OffersWhatFits(string line, string expected)
    {
        var (exit, output, _) = await RunAsync("complete", line);

        Assert.Equal(ExitCode.Success, exit);
        Assert.Contains(expected, output.Split('\n', StringSplitOptions.TrimEntries));
    }

    [Theory]
    [InlineData("eval retrieval --data . --modes keyword,exact")]
    [InlineData("eval retrieval")]
    [InlineData("bench quickly")]
    [InlineData("drill indexing --seeds many")]
    public async Task Run_WrongCommandLine_ExitsWithUsage(string line)
    {
        var (exit, output, error) = await RunAsync(line.Split(' '));

        Assert.Equal(ExitCode.Usage, exit);
        Assert.Contains("--help", error);
        Assert.Empty(output);
    }

    [Fact]
    public async Task Eval_NoCollection_SaysWhatIsExpected()
    {
        var (exit, _, error) = await RunAsync("eval", "retrieval", "--data", "nowhere");

        Assert.Equal(ExitCode.Failure, exit);
        Assert.Contains("Expected a BEIR folder", error);
    }

    private static async Task<(int Exit, string Output, string Error)> RunAsync(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var exit = await LabCli.RunAsync(args, new CliEnvironment { Output = output, Error = error }, TestContext.Current.CancellationToken);
        return (exit, output.ToString(), error.ToString());
    }
}
