using System.CommandLine;
using RagPlatform.Cli;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Tests.Figures;

public sealed class FigureCommandTests
{
    [Fact]
    public async Task Run_Json_PrintsFigureLinesOnOutputOnly()
    {
        var (exit, output, error) = await RunAsync(Measure, "--json");

        Assert.Equal(ExitCode.Success, exit);
        string[] lines =
        [
            """{"figure":"a","value":1,"unit":"ms","goal":"<=2","holds":true}""",
            """{"figure":"b","value":3,"unit":"","goal":">=4","holds":false}""",
        ];
        Assert.Equal(lines, output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("measuring", error);
    }

    [Fact]
    public async Task Run_CheckAndAFigureFallsShort_FailsAndNamesIt()
    {
        var (exit, _, error) = await RunAsync(Measure, "--json", "--check");

        Assert.Equal(ExitCode.Failure, exit);
        Assert.Contains("b is 3, the goal is >=4", error);
        Assert.DoesNotContain("a is", error);
    }

    [Fact]
    public async Task Run_WithoutJson_PrintsATable()
    {
        var (exit, output, _) = await RunAsync(Measure);

        Assert.Equal(ExitCode.Success, exit);
        Assert.Contains("<=2", output);
        Assert.DoesNotContain("{", output);
    }

    [Fact]
    public async Task Run_Unsound_Throws()
    {
        var e = await Assert.ThrowsAsync<CliException>(() => RunAsync(_ => throw new UnsoundRunException("a document is missing"), "--json"));

        Assert.Equal("the run is not sound: a document is missing.", e.Message);
    }

    private static Task Measure(FigureRun run)
    {
        run.Progress("measuring");
        run.Figures.Add("a", 1, "ms", "<=2");
        run.Figures.Add("b", 3, "", ">=4");
        return Task.CompletedTask;
    }

    private static async Task<(int Exit, string Output, string Error)> RunAsync(Func<FigureRun, Task> measure, params string[] args)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter();
        var context = new CliContext(new CliEnvironment { Output = output, Error = error });
        var command = FigureCommand.Create(context, "test", "A test.", [], measure);
        var exit = await command.Parse(args)
            .InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false }, TestContext.Current.CancellationToken);
        return (exit, output.ToString(), error.ToString());
    }
}
