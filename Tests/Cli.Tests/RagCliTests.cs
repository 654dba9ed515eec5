using System.Net;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Tests;

public sealed class RagCliTests
{
    private static readonly JsonElement s_empty = JsonSerializer.SerializeToElement(new { });

    [Fact]
    public async Task Run_WithoutArguments_PrintsTheVerbs()
    {
        var run = await CliRun.RunAsync(new FakeApi());

        Assert.Equal(ExitCode.Success, run.Exit);
        foreach (var verb in (string[])["ingest", "search", "status", "workspace", "eval", "bench", "drill"])
        {
            Assert.Contains(verb, run.Output);
        }
    }

    [Theory]
    [InlineData("eval retrieval --data x --json")]
    [InlineData("bench")]
    [InlineData("drill indexing --seed 3")]
    public async Task Run_VerbOfTheLab_SaysWhereItIs(string line)
    {
        var run = await CliRun.RunAsync(new FakeApi(), line.Split(' '));

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains("RagPlatform.Lab", run.Error);
    }

    [Fact]
    public void Assembly_OfTheCommandLine_KnowsContractsOnly()
    {
        var own = typeof(RagCli).Assembly.GetReferencedAssemblies()
            .Where(assembly => assembly.Name!.StartsWith("RagPlatform.", StringComparison.Ordinal))
            .Select(assembly => assembly.Name);

        Assert.Equal(["RagPlatform.Contracts"], own);
    }

    [Theory]
    [InlineData("serch")]
    [InlineData("search hello")]
    [InlineData("search hello --workspace w --mode fast")]
    [InlineData("search hello --workspace w --mode 1")]
    [InlineData("ingest --workspace w")]
    [InlineData("dead-letters replay -w w")]
    [InlineData("dead-letters discard -w w --all --cause text")]
    [InlineData("queue reindex -w w --since yesterday")]
    [InlineData("queue reindex")]
    [InlineData("queue reindex -w w --all")]
    [InlineData("ingest . --workspace w --parallel 17")]
    [InlineData("ingest /there/is/nothing --workspace w")]
    [InlineData("search x -w w --limit 0")]
    [InlineData("search x -w w --limit 201")]
    [InlineData("search x -w w --offset -1")]
    [InlineData("search x -w w --filter {lang:")]
    [InlineData("search x -w w --filter []")]
    [InlineData("ask x -w w --limit 21")]
    [InlineData("ask -w w")]
    [InlineData("document get -w w")]
    [InlineData("document put a -w w --metadata 5")]
    [InlineData("document put a /there/is/nothing -w w")]
    [InlineData("key revoke first -w w")]
    [InlineData("workspace set w")]
    [InlineData("workspace set w --weight 101")]
    public async Task Run_WrongCommandLine_ExitsWithUsageAndCallsNothing(string line)
    {
        var api = new FakeApi();
        var run = await CliRun.RunAsync(api, line.Split(' '));

        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.True(run.Error.Contains("--help", StringComparison.Ordinal) || run.Error.Contains("does not exist", StringComparison.Ordinal), run.Error);
        Assert.Empty(run.Output);
        Assert.Empty(api.Requests);
    }

    [Fact]
    public async Task Run_NothingAnswers_SaysWhatToDoOnOneLine()
    {
        var run = await CliRun.RunAsync(new FakeApi { Otherwise = null }, "status");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Equal(
            "rag: nothing answers at http://rag.test. Start the platform with ./run.sh, or say where it is with --url or RAG_URL.",
            run.Error.Trim());
    }

    [Theory]
    [InlineData("<html>hello</html>", "text/html")]
    [InlineData("<html>hello</html>", "application/json")]
    [InlineData("[]", "application/json")]
    public async Task Run_AnotherServerAnswers_SaysSoOnOneLine(string body, string type)
    {
        var api = new FakeApi { Otherwise = () => new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(body, System.Text.Encoding.UTF8, type) } };
        var run = await CliRun.RunAsync(api, "search", "x", "-w", "docs");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Equal("rag: what answers at http://rag.test is no search API. Say where it is with --url or RAG_URL.", run.Error.Trim());
    }

    [Fact]
    public async Task Run_NoTls_SaysTheReasonItself()
    {
        var api = new FakeApi { Otherwise = () => throw new HttpRequestException("See inner exception.", new IOException("it speaks no TLS")) };
        var run = await CliRun.RunAsync(api, "status");

        Assert.Equal("rag: http://rag.test did not answer properly: it speaks no TLS", run.Error.Trim());
    }

    [Theory]
    [InlineData("search --help", "[default: hybrid]")]
    [InlineData("ingest --help", "[default: true]")]
    [InlineData("workspace create --help", "[default: markdown]")]
    public async Task Help_Defaults_AreSaidOnceAsTheyAreTyped(string line, string expected)
    {
        var help = string.Join(' ', (await CliRun.RunAsync(new FakeApi(), line.Split(' '))).Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

        Assert.Contains(expected, help);
        Assert.DoesNotContain("] [default", help);
        Assert.DoesNotContain("[default: ]", help);
    }

    [Fact]
    public async Task Run_KeyRefused_SaysHowToPassOne()
    {
        var api = new FakeApi().On("GET /v1/workspaces?limit=100", new { title = "Unauthorized" }, HttpStatusCode.Unauthorized);
        var run = await CliRun.RunAsync(api, "status");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains("refused the API key", run.Error);
        Assert.Contains("--key-file", run.Error);
        Assert.Equal("Bearer key-1", api.Authorization);
    }

    [Fact]
    public async Task Run_KeyOption_WinsOverTheEnvironment()
    {
        var api = new FakeApi().On("GET /v1/workspaces?limit=100", new Page<Workspace>([], null));
        var run = await CliRun.RunAsync(api, "status", "--key", "key-2");

        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Equal("Bearer key-2", api.Authorization);
    }

    [Fact]
    public async Task Search_UnknownWorkspace_SaysWhichAndHowToListThem()
    {
        var api = new FakeApi().On("POST /v1/workspaces/docs/search", new { title = "There is no workspace 'docs'." }, HttpStatusCode.NotFound);
        var run = await CliRun.RunAsync(api, "search", "hello", "--workspace", "docs");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Equal("rag: There is no workspace 'docs'. 'rag workspace list' shows what there is.", run.Error.Trim());
    }

    [Fact]
    public async Task Search_Options_BecomeTheRequest()
    {
        var api = new FakeApi().On("POST /v1/workspaces/docs/search", Answer());
        await CliRun.RunAsync(
            api, "search", "two", "words", "-w", "docs", "--mode", "keyword", "--limit", "3", "--filter", """{"lang":"en"}""", "--documents");

        var request = JsonSerializer.Deserialize<SearchRequest>(Assert.Single(api.Requests).Body, RagJson.Options)!;
        Assert.Equal(("two words", SearchMode.Keyword, 3, SearchGrouping.Document), (request.Query, request.Mode, request.Limit, request.GroupBy));
        Assert.Equal("en", request.Filter!.Value.GetProperty("lang").GetString());
    }

    [Fact]
    public async Task Search_Hits_PrintsTitleIdPlanAndTime()
    {
        var hit = new SearchHit("guide/[a].md", 7, 0, 0.5, "A [guide]", "Setup", "Install the server first.", s_empty);
        var run = await CliRun.RunAsync(new FakeApi().On("POST /v1/workspaces/docs/search", Answer(hit)), "search", "servers", "-w", "docs");

        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains("1. A [guide] › Setup", run.Output);
        Assert.Contains("guide/[a].md · passage 1 · score 0.5", run.Output);
        Assert.Contains("Install the server first.", run.Output);
        Assert.Contains("1 hit · hybrid · plan bm25+exact · 12.3 ms", run.Output);
    }

    [Theory]
    [InlineData("Guide", "Guide", "1. Guide\n")]
    [InlineData("Guide", "Guide › Setup › Linux", "1. Guide › Setup › Linux\n")]
    [InlineData("Guide", "Guidelines", "1. Guide › Guidelines\n")]
    [InlineData("", "Setup", "1. a.md › Setup\n")]
    public async Task Search_Heading_DoesNotRepeatTheTitle(string title, string heading, string expected)
    {
        var hit = new SearchHit("a.md", 7, 0, 0.5, title, heading, "text", s_empty);
        var run = await CliRun.RunAsync(new FakeApi().On("POST /v1/workspaces/docs/search", Answer(hit)), "search", "x", "-w", "docs");

        Assert.StartsWith(expected, run.Output.ReplaceLineEndings("\n"));
    }

    [Fact]
    public async Task Search_InvalidField_NamesIt()
    {
        var problem = new { title = "One or more validation errors occurred.", errors = new { limit = new[] { "It must be between 1 and 200." } } };
        var api = new FakeApi().On("POST /v1/workspaces/docs/search", problem, HttpStatusCode.BadRequest);
        var run = await CliRun.RunAsync(api, "search", "x", "-w", "docs");

        Assert.Equal(ExitCode.Usage, run.Exit);
        Assert.Equal("rag: limit: It must be between 1 and 200.", run.Error.Trim());
    }

    [Fact]
    public async Task Search_Json_PrintsTheAnswerAndNothingElse()
    {
        var run = await CliRun.RunAsync(new FakeApi().On("POST /v1/workspaces/docs/search", Answer()), "search", "x", "-w", "docs", "--json");

        var answer = JsonSerializer.Deserialize<SearchResponse>(run.Output, RagJson.Options)!;
        Assert.Equal("bm25+exact", answer.Plan);
        Assert.Empty(run.Error);
    }

    [Fact]
    public async Task Status_NothingWaits_LeavesOutWhatWouldBeEmpty()
    {
        var workspace = new Workspace("docs", "english", "hashing", "s", 384, new ChunkingSettings(), 1, DateTimeOffset.UnixEpoch);
        var api = new FakeApi()
            .On("GET /v1/workspaces?limit=100", new Page<Workspace>([workspace], null))
            .On("GET /v1/workspaces/docs/indexing", new WorkspaceIndexing(1400, 1592, 0, 0, 3, null, 1));
        var run = await CliRun.RunAsync(api, "status");

        Assert.Contains("1,592", run.Output);
        Assert.DoesNotContain("oldest", run.Output);
        Assert.DoesNotContain("rate", run.Output);
    }

    [Fact]
    public async Task WorkspaceDelete_WithoutYesWhereNobodyCanBeAsked_DeletesNothing()
    {
        var api = new FakeApi();
        var run = await CliRun.RunAsync(api, "workspace", "delete", "docs");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains("--yes", run.Error);
        Assert.Empty(api.Requests);
    }

    [Theory]
    [InlineData("rag wor", "workspace")]
    [InlineData("./rag search x --mo", "--mode")]
    [InlineData("rag search x --mode ", "keyword")]
    [InlineData("rag ev", "eval")]
    public async Task Complete_Line_OffersWhatFits(string line, string expected)
    {
        var run = await CliRun.RunAsync(new FakeApi(), "complete", line);

        Assert.Equal(ExitCode.Success, run.Exit);
        Assert.Contains(expected, run.Output.Split('\n', StringSplitOptions.TrimEntries));
    }

    [Theory]
    [InlineData("rag search x -w ", "docs")]
    [InlineData("rag document get a --workspace d", "docs")]
    [InlineData("rag workspace delete ", "docs")]
    [InlineData("rag workspace create x --model ", "small")]
    public async Task Complete_WhatOnlyThePlatformKnows_IsAsked(string line, string expected)
    {
        var workspace = new Workspace("docs", "english", "hashing", "s", 384, new ChunkingSettings(), 1, DateTimeOffset.UnixEpoch);
        var api = new FakeApi { EmbeddingUrl = "http://embedding.test" }
            .On("GET /v1/workspaces?limit=100", new Page<Workspace>([workspace], null))
            .On("GET /v1/models", new { data = new[] { new { id = "small" } } });

        Assert.Contains(expected, (await CliRun.RunAsync(api, "complete", line)).Output.Split('\n', StringSplitOptions.TrimEntries));
        Assert.DoesNotContain(expected, (await CliRun.RunAsync(new FakeApi { Otherwise = null }, "complete", line)).Output.Split('\n', StringSplitOptions.TrimEntries));
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task Completion_Shell_PrintsAScriptThatAsksForTheLine(string shell)
    {
        var run = await CliRun.RunAsync(new FakeApi(), "completion", shell);

        Assert.Contains("complete --position", run.Output);
    }

    [Fact]
    public async Task DeadLetters_Replay_SendsTheSelection()
    {
        var api = new FakeApi().On("POST /v1/workspaces/docs/dead-letters/replay", new OperationResult(2));
        var run = await CliRun.RunAsync(api, "dead-letters", "replay", "a.md", "b.md", "-w", "docs");

        Assert.Equal("2 dead letters queued again.", run.Output.Trim());
        var selection = JsonSerializer.Deserialize<DeadLetterSelection>(Assert.Single(api.Requests).Body, RagJson.Options)!;
        Assert.Equal(["a.md", "b.md"], selection.Ids);
        Assert.Equal((null, false), (selection.Cause, selection.All));
    }

    [Fact]
    public async Task DeadLetters_List_FollowsThePages()
    {
        var at = DateTimeOffset.UnixEpoch;
        var api = new FakeApi()
            .On("GET /v1/workspaces/docs/dead-letters?limit=100&cause=text",
                new Page<DeadLetter>([new("a", "s", 1, "text", [new(at, "text", "first"), new(at, "text", "too odd")], at, null)], "next"))
            .On("GET /v1/workspaces/docs/dead-letters?limit=100&cause=text&cursor=next",
                new Page<DeadLetter>([new("b", "s", 1, "text", [], at, null)], null));
        var run = await CliRun.RunAsync(api, "dead-letters", "list", "-w", "docs", "--cause", "text");

        Assert.Equal(
            ["a  1970-01-01 00:00:00Z  text: too odd", "b  1970-01-01 00:00:00Z  text:"],
            run.Output.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Queue_Reindex_SendsSinceAndPriority()
    {
        var api = new FakeApi().On("POST /v1/workspaces/docs/indexing/reindex", new ReindexJob(7, "docs", null, 0, DateTimeOffset.UnixEpoch, null));
        var run = await CliRun.RunAsync(api, "queue", "reindex", "-w", "docs", "--since", "2026-11-20T08:00Z", "--priority", "high");

        Assert.Equal("docs: reindexing 7 has begun.", run.Output.Trim());
        Assert.Equal(
            new ReindexRequest(new DateTimeOffset(2026, 11, 20, 8, 0, 0, TimeSpan.Zero), DocumentPriority.High),
            JsonSerializer.Deserialize<ReindexRequest>(Assert.Single(api.Requests).Body, RagJson.Options));
    }

    [Fact]
    public async Task Queue_ReindexAll_AsksForEveryWorkspace()
    {
        var api = new FakeApi().On("POST /v1/indexing/reindex", new ReindexJob(8, null, null, 0, DateTimeOffset.UnixEpoch, null));
        var run = await CliRun.RunAsync(api, "queue", "reindex", "--all");

        Assert.Equal("every workspace: reindexing 8 has begun.", run.Output.Trim());
    }

    [Fact]
    public async Task Doctor_CheckThatFindsFaults_PrintsThemAndFails()
    {
        var report = new DoctorReport(
            false, 10, 20, 20, 5, 1, new Dictionary<string, int> { ["missing"] = 1 }, [new("missing", 1, "a.md", 7, "s")], false, 0.25, DateTimeOffset.UnixEpoch);
        var check = new DoctorCheck(3, "docs", false, false, DoctorCheckState.Queued, DateTimeOffset.UnixEpoch, null, null, null);
        var api = new FakeApi()
            .On("POST /v1/indexing/doctor", check)
            .On("GET /v1/indexing/doctor-checks/3", check with { State = DoctorCheckState.Done, Report = report });
        var run = await CliRun.RunAsync(api, "doctor", "-w", "docs");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains("1 missing", run.Output);
        Assert.Contains("document a.md, chunk 7, space s", run.Output);
        Assert.Equal(new DoctorRequest("docs"), JsonSerializer.Deserialize<DoctorRequest>(api.Requests.First().Body, RagJson.Options));
    }

    [Fact]
    public async Task Doctor_CheckThatFails_SaysWhy()
    {
        var api = new FakeApi().On(
            "POST /v1/indexing/doctor",
            new DoctorCheck(3, null, false, false, DoctorCheckState.Failed, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch, null, "no memory"));
        var run = await CliRun.RunAsync(api, "doctor");

        Assert.Equal(ExitCode.Failure, run.Exit);
        Assert.Contains("no memory", run.Error);
    }

    [Fact]
    public async Task Search_Explain_PrintsPlansAndTerms()
    {
        var explanation = new SearchExplanation(
            1000, 100, 0.1, 0, new Dictionary<string, long> { ["server"] = 1 }, 12, [new("exact", 100, "few passages match")]);
        var api = new FakeApi().On("POST /v1/workspaces/docs/search", Answer() with { Explanation = explanation, Total = 1234 });
        var run = await CliRun.RunAsync(api, "search", "servers", "-w", "docs", "--explain", "--total");

        Assert.Contains("nothing found of 1,234 · hybrid", run.Output);
        Assert.Contains("100 of 1,000 passages match the filter (estimate, 10 %), 12 postings scored", run.Output);
        Assert.Contains("term server: in 1 document", run.Output);
        Assert.Contains("plan exact, cost 100: few passages match", run.Output);
    }

    private static SearchResponse Answer(params SearchHit[] hits) =>
        new(hits, SearchMode.Hybrid, "bm25+exact", "hashing_384_x", 4, false, new SearchTimings(12.34, 1, 2));
}
