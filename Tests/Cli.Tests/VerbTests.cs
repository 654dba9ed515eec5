using System.Net;
using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Tests;

public sealed class VerbTests
{
    private static readonly JsonElement s_empty = JsonSerializer.SerializeToElement(new { });

    [Fact]
    public async Task Ask_Answer_IsPrintedWithTheSourcesThatItCites()
    {
        SearchHit[] hits = [new("a.md", 1, 0, 1, "A", "A", "t", s_empty), new("b.md", 2, 0, 1, "B", "B › Setup", "t", s_empty)];
        var api = new FakeApi().On("POST /v1/workspaces/docs/ask", _ => Events(
            ("sources", new AskEvent(Sources: hits)), ("text", new("Install ")), ("text", new("it [2].\u001b[2J")), ("done", new(Citations: [2]))));
        var run = await CliRun.RunAsync(api, "ask", "how", "so?", "-w", "docs", "--limit", "3");

        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Equal("Install it [2].␛[2J\n[2] b.md: B › B › Setup\n", run.Output.ReplaceLineEndings("\n"));
        var request = JsonSerializer.Deserialize<AskRequest>(Assert.Single(api.Requests).Body, RagJson.Options)!;
        Assert.Equal(("how so?", 3), (request.Question, request.Limit));
    }

    [Fact]
    public async Task Ask_AnswerThatIsCut_SaysSo()
    {
        var api = new FakeApi().On("POST /v1/workspaces/docs/ask", _ => Events(("text", new("x")), ("done", new("The answer is cut.", FinishReason: "length"))));

        Assert.Contains("rag: The answer is cut.", (await CliRun.RunAsync(api, "ask", "x", "-w", "docs")).Error);
    }

    [Fact]
    public async Task Ask_AnswerThatBreaksOff_Fails()
    {
        var error = new FakeApi().On("POST /v1/workspaces/docs/ask", _ => Events(("text", new("x")), ("error", new("The model is away."))));
        var ended = new FakeApi().On("POST /v1/workspaces/docs/ask", _ => Events(("text", new("x"))));

        Assert.Contains("rag: The model is away.", (await CliRun.RunAsync(error, "ask", "x", "-w", "docs")).Error);
        Assert.Equal(ExitCode.Failure, (await CliRun.RunAsync(ended, "ask", "x", "-w", "docs")).Exit);
    }

    [Fact]
    public async Task DocumentGet_Text_IsPrintedToTheByte()
    {
        var document = new Document("a/b.md", "T", "line\r\n\u001b end", s_empty, DocumentPriority.Normal, 3, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch);
        var api = new FakeApi().On("GET /v1/workspaces/docs/documents/a/b.md", document);

        Assert.Equal("line\r\n\u001b end", (await CliRun.RunAsync(api, "document", "get", "a/b.md", "-w", "docs")).Output);
        Assert.Contains("\"revision\":3", (await CliRun.RunAsync(api, "document", "get", "a/b.md", "-w", "docs", "--json")).Output);
        var missing = await CliRun.RunAsync(api, "document", "get", "c", "-w", "docs");
        Assert.Equal((ExitCode.Failure, true), (missing.Exit, missing.Error.Contains("has no document 'c'", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task DocumentPut_StandardInput_IsTheText()
    {
        var api = new FakeApi().On("PUT /v1/workspaces/docs/documents/a", new DocumentWrite("a", 7, IndexingState.Indexed, true));
        var run = await CliRun.RunAsync(api, "\uFEFFHello", ["document", "put", "a", "-w", "docs", "--title", "T", "--metadata", """{"year": 2026}"""]);

        Assert.Equal("a: revision 7, new or changed.", run.Output.Trim());
        var put = JsonSerializer.Deserialize<DocumentPut>(Assert.Single(api.Requests).Body, RagJson.Options)!;
        Assert.Equal(("Hello", "T", 2026), (put.Text, put.Title, put.Metadata!.Value.GetProperty("year").GetInt32()));
    }

    [Fact]
    public async Task DocumentDelete_Several_SaysWhichWereNotThere()
    {
        var api = new FakeApi().On("DELETE /v1/workspaces/docs/documents/a", new { }, HttpStatusCode.OK);
        var run = await CliRun.RunAsync(api, "document", "delete", "a", "b", "-w", "docs");

        Assert.Equal((ExitCode.Failure, "deleted a"), (run.Exit, run.Output.Trim()));
        Assert.Contains("'b'", run.Error);
    }

    [Fact]
    public async Task DocumentList_FollowsThePages()
    {
        DocumentSummary Summary(string id) => new(id, "T " + id, s_empty, 2, 10, IndexingState.Indexed, DateTimeOffset.UnixEpoch);
        var api = new FakeApi()
            .On("GET /v1/workspaces/docs/documents?limit=1000", new Page<DocumentSummary>([Summary("a")], "next"))
            .On("GET /v1/workspaces/docs/documents?limit=1000&cursor=next", new Page<DocumentSummary>([Summary("b")], null));

        Assert.Equal(
            "a\t2\tindexed\t10\tT a\nb\t2\tindexed\t10\tT b\n",
            (await CliRun.RunAsync(api, "document", "list", "-w", "docs")).Output.ReplaceLineEndings("\n"));
    }

    [Fact]
    public async Task Key_ListAndRevoke_ShowNoSecretAndSayWhatIsMissing()
    {
        var api = new FakeApi()
            .On("GET /v1/workspaces/docs/keys", new Page<ApiKey>([new(4, "ci", null, DateTimeOffset.UnixEpoch)], null))
            .On("DELETE /v1/workspaces/docs/keys/4", new { });

        Assert.Equal("4\t1970-01-01 00:00\tci", (await CliRun.RunAsync(api, "key", "list", "-w", "docs")).Output.Trim());
        Assert.Equal("docs: key 4 is revoked.", (await CliRun.RunAsync(api, "key", "revoke", "4", "-w", "docs")).Output.Trim());
        Assert.Contains("has no key 5", (await CliRun.RunAsync(api, "key", "revoke", "5", "-w", "docs")).Error);
    }

    [Fact]
    public async Task WorkspaceSet_Weight_IsPut()
    {
        var api = new FakeApi().On("PUT /v1/workspaces/docs/indexing/weight", new IndexingWeight(7));

        Assert.Equal("docs: weight 7.", (await CliRun.RunAsync(api, "workspace", "set", "docs", "--weight", "7")).Output.Trim());
        Assert.Contains("7", Assert.Single(api.Requests).Body);
    }

    [Fact]
    public async Task Env_PrintsExportsThatAShellTakes()
    {
        var lines = (await CliRun.RunAsync(new FakeApi { EmbeddingUrl = "http://embedding.test/" }, "env", "--key", "it's")).Output.Split('\n', StringSplitOptions.TrimEntries);

        Assert.Contains("export RAG_URL='http://rag.test'", lines);
        Assert.Contains("export OPENAI_BASE_URL='http://embedding.test/v1'", lines);
        Assert.Contains("export RAG_DASHBOARD_URL='http://127.0.0.1:5081'", lines);
        Assert.Contains(@"export OPENAI_API_KEY='it'\''s'", lines);
        Assert.Contains("set -gx RAG_API_KEY 'key-1'", (await CliRun.RunAsync(new FakeApi(), "env", "--shell", "fish")).Output);
    }

    [Fact]
    public async Task Open_PrintsTheAddress() => Assert.Equal("http://127.0.0.1:5081", (await CliRun.RunAsync(new FakeApi(), "open")).Output.Trim());

    private static HttpResponseMessage Events(params (string Type, AskEvent Data)[] events)
    {
        var text = string.Concat(events.Select(e => $"event: {e.Type}\ndata: {JsonSerializer.Serialize(e.Data, RagJson.Options)}\n\n"));
        return new(HttpStatusCode.OK) { Content = new StringContent(text, Encoding.UTF8, "text/event-stream") };
    }
}
