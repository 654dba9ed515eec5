using System.Text.Json.Nodes;
using RagPlatform.Cli;
using RagPlatform.Integration.Tests.Infrastructure;

namespace RagPlatform.Integration.Tests.Cli;

public sealed class TransferTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private CliNode _node = null!;

    public async ValueTask InitializeAsync() => _node = await CliNode.StartAsync(database);

    public ValueTask DisposeAsync() => _node?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task ExportImport_IntoAnotherWorkspace_SameAnswersAndNoEmbedding()
    {
        // Words at random: hits of the same score come in the order in which they were indexed.
        var random = new Random(4);
        for (var i = 0; i < 130; i++)
        {
            _node.Folder.Write($"docs/d{i}.md", $"# Queue {i}\n\n" + string.Join("\n\n", Enumerable.Range(0, 20).Select(p =>
                $"## Part {p}\n\n{string.Join(' ', Enumerable.Range(0, random.Next(10, 30)).Select(_ => "word" + random.Next(300)))}.")));
        }

        await _node.RunAsync("ingest", "docs", "--workspace", "original");
        var export = await _node.RunAsync("export", "--workspace", "original", "--output", "rows.jsonl");
        Assert.Equal((ExitCode.Success, ""), (export.Exit, export.Error));
        Assert.Contains("130 documents", export.Output);

        await _node.RunAsync("workspace", "create", "copy");
        var import = await _node.RunAsync("import", "rows.jsonl", "--workspace", "copy");
        Assert.Equal((ExitCode.Success, ""), (import.Exit, import.Error));
        Assert.Contains("130 documents put.", import.Output);

        // Every vector of the index is one that was given.
        Assert.True(await CountAsync("SELECT count(*) FROM chunks c JOIN workspaces w USING (workspace_id) WHERE w.name = 'copy'") > 200);
        Assert.Equal(0, await CountAsync("""
            SELECT count(*) FROM indexed_documents x JOIN workspaces w USING (workspace_id)
            WHERE w.name = 'copy' AND length(x.given) <> 32 * (SELECT count(DISTINCT c.content_hash) FROM chunks c
                WHERE c.workspace_id = x.workspace_id AND c.document_key = x.document_key)
            """));
        Assert.Equal(0, await CountAsync("SELECT count(*) FROM embedding_usage WHERE workspace = 'copy'"));

        foreach (var mode in (string[])["keyword", "vector", "hybrid"])
        {
            Assert.Equal(await SearchAsync("original", mode), await SearchAsync("copy", mode));
        }

        var again = await _node.RunAsync("export", "--workspace", "copy");
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(_node.Folder.FullPath, "rows.jsonl"), TestContext.Current.CancellationToken), again.Output);
    }

    [Fact]
    public async Task Import_VectorsOfAnotherSpace_AreComputedAnew()
    {
        _node.Folder.Write("rows.jsonl", """{"space":"elsewhere","document":{"id":"a","chunks":[{"text":"Words of a chunk.","vector":[1,2]}]}}""");
        await _node.RunAsync("workspace", "create", "foreign");

        var import = await _node.RunAsync("import", "rows.jsonl", "--workspace", "foreign");

        Assert.Contains("1 document put; for 1 document the vectors were of", import.Output);
        Assert.Contains("Words of a chunk.", (await _node.RunAsync("search", "words", "--workspace", "foreign")).Output);
    }

    [Fact]
    public async Task Import_LineOfSomethingElse_NamesTheLine()
    {
        _node.Folder.Write("rows.jsonl", "{}");
        await _node.RunAsync("workspace", "create", "wrong");

        var import = await _node.RunAsync("import", "rows.jsonl", "--workspace", "wrong");

        Assert.Equal(ExitCode.Failure, import.Exit);
        Assert.Contains("line 1", import.Error);
    }

    private async Task<long> CountAsync(string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    private async Task<string> SearchAsync(string workspace, string mode)
    {
        var run = await _node.RunAsync("search", "word7 word12 word100 word217 word30 word4 word299", "--workspace", workspace, "--mode", mode, "--json");
        Assert.Equal(ExitCode.Success, run.Exit);
        var hits = JsonNode.Parse(run.Output)!["hits"]!.AsArray();
        Assert.NotEmpty(hits);
        return string.Join('\n', hits.Select(h => $"{h!["documentId"]} {h["score"]} {h["text"]}"));
    }
}
