using System.Net;
using System.Text;
using System.Text.Json;
using RagPlatform.Cli.Mcp;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Tests.Mcp;

/// <summary>The server over streams, whose input ends at once: everything that was asked is answered all the same.</summary>
public sealed class McpCommandTests
{
    private readonly FakeApi _api = new FakeApi().On(
        "POST /v1/workspaces/docs/search",
        new SearchResponse([], SearchMode.Hybrid, "p", "s", 4, false, new SearchTimings(1, 1, 1)));

    [Theory]
    [InlineData("2024-11-05", "2024-11-05")]
    [InlineData("2025-11-25", "2025-11-25")]
    [InlineData("2026-07-28", "2025-11-25")]
    [InlineData("2099-01-01", "2025-11-25")]
    public async Task Initialize_Version_IsNegotiated(string asked, string answered)
    {
        var (first, _) = await RunAsync(asked);

        Assert.Equal(answered, first.GetProperty("result").GetProperty("protocolVersion").GetString());
    }

    [Theory]
    [InlineData("""{}""", "query is missing: what to search for, a string.")]
    [InlineData("""{"q":"x"}""", "There is no argument 'q': search takes query, limit, mode, filter.")]
    [InlineData("""{"query":""}""", "query must be what to search for, a string that is not empty, and not \"\".")]
    [InlineData("""{"query":5}""", "and not 5.")]
    [InlineData("""{"query":"x","mode":"7"}""", "mode must be hybrid, keyword, vector or auto, and not \"7\".")]
    [InlineData("""{"query":"x","mode":"keyword,vector"}""", "mode must be hybrid, keyword, vector or auto, and not \"keyword,vector\".")]
    [InlineData("""{"query":"x","mode":3}""", "mode must be")]
    [InlineData("""{"query":"x","limit":3.5}""", "limit must be a whole number from 1 to 20, and not 3.5.")]
    [InlineData("""{"query":"x","limit":0}""", "limit must be")]
    [InlineData("""{"query":"x","limit":1e300}""", "limit must be")]
    [InlineData("""{"query":"x","limit":"many"}""", "and not \"many\".")]
    [InlineData("""{"query":"x","filter":[1]}""", "filter must be a JSON object such as")]
    [InlineData("""{"query":"x","filter":"{year"}""", "filter is not valid JSON")]
    [InlineData("""{"limit":"many","mode":"fast"}""", "query is missing")]
    public async Task Search_WrongArguments_SaysWhatIsWrongAndWhatIsExpected(string arguments, string expected)
    {
        var (isError, text) = await SearchAsync(arguments);

        Assert.True(isError);
        Assert.Contains(expected, text);
        Assert.Empty(_api.Requests);
    }

    [Theory]
    [InlineData("""{"query":"x","limit":3.0}""", 3, SearchMode.Auto, null)]
    [InlineData("""{"query":"x","limit":"4","mode":"Keyword"}""", 4, SearchMode.Keyword, null)]
    [InlineData("""{"query":"x","filter":{"a":1},"mode":null}""", 8, SearchMode.Auto, """{"a":1}""")]
    [InlineData("""{"query":"x","filter":"{\"a\":1}"}""", 8, SearchMode.Auto, """{"a":1}""")]
    [InlineData("""{"query":"x","filter":""}""", 8, SearchMode.Auto, null)]
    public async Task Search_WhatIsMeantBeyondDoubt_IsTaken(string arguments, int limit, SearchMode mode, string? filter)
    {
        Assert.Equal((false, "Nothing was found."), await SearchAsync(arguments));

        var request = JsonSerializer.Deserialize<SearchRequest>(Assert.Single(_api.Requests).Body, RagJson.Options)!;
        Assert.Equal(("x", limit, mode, filter), (request.Query, request.Limit, request.Mode, request.Filter?.GetRawText()));
    }

    [Fact]
    public async Task Search_RefusedByTheApi_NamesTheField()
    {
        var problem = new { title = "Invalid.", errors = new { filter = new[] { "There is no operator $around." } } };
        _api.On("POST /v1/workspaces/docs/search", problem, HttpStatusCode.BadRequest);

        Assert.Equal((true, "filter: There is no operator $around."), await SearchAsync("""{"query":"x","filter":{"a":{"$around":1}}}"""));
    }

    private async Task<(bool IsError, string Text)> SearchAsync(string arguments)
    {
        var (_, answer) = await RunAsync(
            "2025-06-18", $$$"""{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"search","arguments":{{{arguments}}}}}""");
        var result = answer!.Value.GetProperty("result");
        return (result.GetProperty("isError").GetBoolean(), result.GetProperty("content")[0].GetProperty("text").GetString()!);
    }

    // The last line has no end.
    private async Task<(JsonElement First, JsonElement? Second)> RunAsync(string version, string? request = null)
    {
        var initialize = $$$$"""{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"{{{{version}}}}","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}""";
        using var input = new MemoryStream(Encoding.UTF8.GetBytes(initialize + (request is null ? "" : "\n" + request)));
        using var output = new MemoryStream();
        using var http = new HttpClient(_api) { BaseAddress = new Uri("http://rag.test/") };
        await McpCommand.RunAsync(
            McpCommand.CreateOptions(new McpTools(new RagClient(http), "docs")), input, output, TestContext.Current.CancellationToken);

        var answers = Encoding.UTF8.GetString(output.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonElement.Parse(line))
            .ToDictionary(answer => answer.GetProperty("id").GetInt32());
        return (answers[1], answers.TryGetValue(2, out var second) ? second : null);
    }
}
