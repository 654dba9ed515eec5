using System.Text.Json;
using RagPlatform.Cli;
using RagPlatform.Integration.Tests.Infrastructure;

namespace RagPlatform.Integration.Tests.Cli;

public sealed class EvalTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private CliNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _node = await CliNode.StartAsync(database);
        _node.Folder.Write("tiny/corpus.jsonl", """
            {"_id": "q1", "title": "", "text": "the wing of an aircraft in supersonic flow"}
            {"_id": "d2", "title": "Boundary layers", "text": "heat transfer in a laminar boundary layer"}
            {"_id": "d3", "title": "", "text": "the lens of the human eye"}
            """);
        _node.Folder.Write("tiny/queries.jsonl", """
            {"_id": "q1", "text": "supersonic wing"}
            {"_id": "q2", "text": "boundary layer heat"}
            {"_id": "q3", "text": "never judged"}
            """);
        _node.Folder.Write("tiny/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\tq1\t1\nq2\td2\t2\nq2\td3\t0\n");
    }

    public ValueTask DisposeAsync() => _node?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Eval_Collection_PrintsTheFiguresAndLeavesNoWorkspace()
    {
        var run = await _node.RunLabAsync("eval", "retrieval", "--data", "tiny", "--json", "--check");

        Assert.Equal(ExitCode.Success, run.Exit);
        var figures = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize<JsonElement>(line))
            .ToDictionary(figure => figure.GetProperty("figure").GetString()!, figure => figure.GetProperty("value").GetDouble());
        Assert.Equal(15, figures.Count);
        foreach (var mode in (string[])["keyword", "vector", "hybrid"])
        {
            Assert.Equal(2, figures[$"eval.tiny.{mode}.queries"]);
            Assert.Equal(1, figures[$"eval.tiny.{mode}.ndcg10"]);
            Assert.Equal(1, figures[$"eval.tiny.{mode}.recall100"]);
        }

        Assert.Contains("There is no workspace yet", (await _node.RunAsync("workspace", "list")).Output);
    }

    [Fact]
    public async Task Eval_WorkspaceHoldsOtherDocuments_IsUnsound()
    {
        _node.Folder.Write("docs/a.md", "text");
        await _node.RunAsync("ingest", "docs", "--workspace", "used");
        var run = await _node.RunLabAsync("eval", "retrieval", "--data", "tiny", "--workspace", "used", "--json");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Empty(run.Output);
        Assert.Contains("the run is not sound: workspace 'used' holds 4 documents, the collection 3", run.Error);
        await _node.RunAsync("workspace", "delete", "used", "--yes");
    }

    [Fact]
    public async Task Eval_NoCollection_SaysWhatIsExpected()
    {
        var run = await _node.RunLabAsync("eval", "retrieval", "--data", ".");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains("Expected a BEIR folder", run.Error);
    }
}
