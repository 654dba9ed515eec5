using System.Text.Json;
using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;

namespace RagPlatform.Integration.Tests.Cli;

public sealed class IngestTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private CliNode _node = null!;

    public async ValueTask InitializeAsync() => _node = await CliNode.StartAsync(database);

    public ValueTask DisposeAsync() => _node?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Ingest_FolderAgainAndAgain_SendsOnlyWhatChanged()
    {
        _node.Folder.Write("docs/guide/queue.md", "# The queue\n\nTasks are claimed with a lease.");
        _node.Folder.Write("docs/page.html", "<title>A page</title><p>Vectors live in space tables.</p>");
        _node.Folder.Write("docs/broken.txt", [0xC3, 0x28]);

        var first = await _node.RunAsync("ingest", "docs", "--workspace", "again");
        Assert.Equal(ExitCode.Failure, first.Exit);
        Assert.Contains("3 documents", first.Output);
        Assert.Contains("2 new or changed, 0 unchanged, 1 refused", first.Output);
        Assert.Contains("refused broken.txt: it is not UTF-8", first.Error);

        File.Delete(Path.Combine(_node.Folder.FullPath, "docs/broken.txt"));
        Assert.Contains("0 new or changed, 2 unchanged, 0 refused", (await _node.RunAsync("ingest", "docs", "--workspace", "again")).Output);
        Assert.Contains("0 new or changed, 2 unchanged, 0 refused", (await _node.RunAsync("ingest", "docs", "--workspace", "again", "--all")).Output);

        _node.Folder.Write("docs/page.html", "<title>A page</title><p>Changed words.</p>");
        File.Delete(Path.Combine(_node.Folder.FullPath, "docs/guide/queue.md"));
        var changed = await _node.RunAsync("ingest", "docs", "--workspace", "again", "--delete-missing");
        Assert.Equal(ExitCode.Success, changed.Exit);
        Assert.Contains("1 new or changed, 0 unchanged, 1 deleted, 0 refused", changed.Output);
        Assert.Contains("deleted guide/queue.md", changed.Output);
        Assert.Contains("The workspace has 1 document, 1 passage searchable", changed.Output);
    }

    [Fact]
    public async Task Ingest_DeleteMissing_ComparesExactlyTheDocumentsOfTheSource()
    {
        _node.Folder.Write("A/docs/one.md", "wombat one");
        _node.Folder.Write("A/docs/two.md", "wombat two");
        _node.Folder.Write("B/docs/three.md", "wombat three");
        string[] all = ["a/one.md", "a/two.md", "one.md", "team10/three.md", "three.md", "two.md"];
        foreach (var line in (string[])
            ["A/docs", "A/docs --prefix a/", "B/docs", "B/docs --prefix team10/", "A/docs/two.md --delete-missing", "B/docs --delete-missing",
             "B/docs --prefix team10/ --delete-missing"])
        {
            Assert.Equal(ExitCode.Success, (await _node.RunAsync(["ingest", .. line.Split(' '), "--workspace", "sources", "--no-wait"])).Exit);
        }

        Assert.Equal(all, await _node.ListAsync("sources"));

        File.Delete(Path.Combine(_node.Folder.FullPath, "A/docs/two.md"));
        var dry = await _node.RunAsync("ingest", "A/docs", "--prefix", "a/", "--workspace", "sources", "--delete-missing", "--dry-run");
        Assert.Contains("would delete a/two.md", dry.Output);
        Assert.Equal(all, await _node.ListAsync("sources"));

        Assert.Equal(ExitCode.Success, (await _node.RunAsync("ingest", "A/docs", "--prefix", "a/", "--workspace", "sources", "--delete-missing")).Exit);
        Assert.Equal(["a/one.md", "one.md", "team10/three.md", "three.md", "two.md"], await _node.ListAsync("sources"));
    }

    [Fact]
    public async Task Ingest_FolderWasEmptied_DeletesOnlyWithYes()
    {
        _node.Folder.Write("docs/one.md", "one");
        _node.Folder.Write("docs/two.md", "two");
        await _node.RunAsync("ingest", "docs", "--workspace", "emptied", "--no-wait");
        foreach (var file in Directory.GetFiles(Path.Combine(_node.Folder.FullPath, "docs")))
        {
            File.Delete(file);
        }

        var asked = await _node.RunAsync("ingest", "docs", "--workspace", "emptied", "--delete-missing");
        Assert.Equal(ExitCode.Failure, asked.Exit);
        Assert.Contains("There is nothing to ingest in", asked.Error);
        Assert.Contains("all 2 documents", asked.Error);
        Assert.Equal(["one.md", "two.md"], await _node.ListAsync("emptied"));

        var done = await _node.RunAsync("ingest", "docs", "--workspace", "emptied", "--delete-missing", "--yes");
        Assert.Equal(ExitCode.Success, done.Exit);
        Assert.Contains("deleted one.md", done.Output);
        Assert.Empty(await _node.ListAsync("emptied"));
    }

    [Fact]
    public async Task Ingest_WorkspaceWasMadeAnew_SendsEverythingAgain()
    {
        _node.Folder.Write("docs/a.md", "# A\n\ntext");
        await _node.RunAsync("ingest", "docs", "--workspace", "anew");
        Assert.Equal(ExitCode.Success, (await _node.RunAsync("workspace", "delete", "anew", "--yes")).Exit);

        Assert.Contains("1 new or changed", (await _node.RunAsync("ingest", "docs", "--workspace", "anew")).Output);
    }

    [Fact]
    public async Task Ingest_CorpusWithBadLines_PutsTheOthersAndNamesThem()
    {
        var lines = Enumerable.Range(0, 1200).Select(i => $$"""{"_id": "d{{i}}", "title": "t{{i}}", "text": "word{{i}} common"}""").ToList();
        lines[17] = """{"_id": "", "text": "x"}""";
        lines[700] = """{"_id": "d1", "text": "the id of another"}""";
        // Only PostgreSQL cannot keep this one, so only the API finds it.
        lines[900] = """{"_id": "nul", "text": "x", "metadata": {"a": "\u0000"}}""";
        _node.Folder.Write("collection/corpus.jsonl", string.Join('\n', lines));

        var run = await _node.RunAsync("ingest", "collection", "--workspace", "lines", "--allow-refused");

        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains("1,197 new or changed, 0 unchanged, 3 refused", run.Output);
        Assert.Contains("refused corpus.jsonl, line 18: its id is empty", run.Error);
        Assert.Contains("refused d1: ", run.Error);
        Assert.Contains("refused nul: ", run.Error);
        Assert.Contains("The workspace has 1,197 documents", run.Output);
    }

    [Fact]
    public async Task Search_AfterIngest_FindsTheDocument()
    {
        _node.Folder.Write("docs/rollback.md", "# Rollback\n\nWrites go to both spaces, so a rollback loses nothing.");
        _node.Folder.Write("docs/other.md", "# Cooking\n\nPeel the potatoes.");
        Assert.Equal(ExitCode.Success, (await _node.RunAsync("ingest", "docs", "--workspace", "found")).Exit);

        foreach (var mode in (string[])["keyword", "vector", "hybrid"])
        {
            var run = await _node.RunAsync("search", "rollback of writes", "--workspace", "found", "--mode", mode, "--json");
            var response = JsonSerializer.Deserialize<SearchResponse>(run.Output, RagJson.Options)!;
            Assert.Equal("rollback.md", response.Hits[0].DocumentId);
        }

        var filtered = await _node.RunAsync("search", "potatoes", "--workspace", "found", "--filter", """{"path": "rollback.md"}""");
        Assert.DoesNotContain("Cooking", filtered.Output);
        var status = await _node.RunAsync("status", "--workspace", "found", "--json");
        Assert.Contains("\"documents\":2", status.Output);
    }

    [Fact]
    public async Task Ingest_UnknownWorkspaceWithoutCreate_PutsNothing()
    {
        _node.Folder.Write("docs/a.md", "text");
        var run = await _node.RunAsync("ingest", "docs", "--workspace", "nowhere", "--create", "false");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains("there is no workspace 'nowhere'", run.Error);
    }
}
