using System.Text.Json;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using RagPlatform.Cli;
using RagPlatform.Integration.Tests.Search;

namespace RagPlatform.Integration.Tests.Cli;

/// <summary><c>rag mcp</c> as a process, and the official SDK's client at its standard input and output.</summary>
internal static class McpProcess
{
    public static Task<McpClient> ConnectAsync(HttpClient api, string workspace) => McpClient.CreateAsync(
        new StdioClientTransport(new()
        {
            Name = "rag",
            Command = "dotnet",
            Arguments = [typeof(RagCli).Assembly.Location, "mcp", "--workspace", workspace],
            EnvironmentVariables = new Dictionary<string, string?>
            {
                ["RAG_URL"] = api.BaseAddress!.ToString(),
                ["RAG_API_KEY"] = api.DefaultRequestHeaders.Authorization!.Parameter,
            },
        }),
        cancellationToken: TestContext.Current.CancellationToken);

    public static async Task<(bool IsError, string Text)> CallAsync(McpClient client, string tool, object arguments)
    {
        var values = JsonSerializer.SerializeToElement(arguments).EnumerateObject().ToDictionary(p => p.Name, p => (object?)p.Value);
        var result = await client.CallToolAsync(tool, values, cancellationToken: TestContext.Current.CancellationToken);
        return (result.IsError ?? false, string.Concat(result.Content.OfType<TextContentBlock>().Select(c => c.Text)));
    }
}

public sealed class McpTests(SearchNode node) : IClassFixture<SearchNode>
{
    [Fact]
    public async Task Tools_OfAWorkspace_AreListedAndCanBeCalled()
    {
        await using var client = await McpProcess.ConnectAsync(node.Http, SearchNode.Workspace);

        var tools = await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["ask", "search"], tools.Select(t => t.Name).Order());
        Assert.Equal("rag", client.ServerInfo?.Name);
        Assert.Contains(SearchNode.Workspace, client.ServerInstructions ?? "", StringComparison.Ordinal);

        var found = await McpProcess.CallAsync(client, "search", new { query = "\"critical angle\"", limit = 3 });
        Assert.False(found.IsError);
        Assert.Contains("## lift: Lift of wings", found.Text, StringComparison.Ordinal);
        Assert.Contains("critical angle", found.Text, StringComparison.Ordinal);

        var filtered = await McpProcess.CallAsync(
            client, "search", new { query = "layer", mode = "keyword", filter = """{"year": {"$gt": 1955}}""" });
        Assert.Contains("## layer: Boundary layers", filtered.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("## lift", filtered.Text, StringComparison.Ordinal);
        Assert.Equal((false, "Nothing was found."), await McpProcess.CallAsync(client, "search", new { query = "zebra", mode = "keyword" }));
    }

    [Fact]
    public async Task Tools_ThatCannotDoWhatTheyAreAskedFor_SayWhy()
    {
        await using var client = await McpProcess.ConnectAsync(node.Http, SearchNode.Workspace);

        var unknownMode = await McpProcess.CallAsync(client, "search", new { query = "layer", mode = "magic" });
        var noJson = await McpProcess.CallAsync(client, "search", new { query = "layer", filter = "{year" });
        var noFilter = await McpProcess.CallAsync(client, "search", new { query = "layer", filter = """{"year": {"$around": 1950}}""" });
        var unanswered = await McpProcess.CallAsync(client, "ask", new { question = "When does a wing stall?" });

        Assert.True(unknownMode.IsError && noJson.IsError && noFilter.IsError && unanswered.IsError);
        Assert.Contains("hybrid, keyword, vector or auto", unknownMode.Text, StringComparison.Ordinal);
        Assert.Contains("filter is not valid JSON", noJson.Text, StringComparison.Ordinal);
        Assert.Contains("$around", noFilter.Text, StringComparison.Ordinal);
        Assert.Contains("Set Ask__BaseUrl", unanswered.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Search_OfAWorkspaceThatIsNotThere_SaysSo()
    {
        await using var client = await McpProcess.ConnectAsync(node.Http, "nowhere");

        var (isError, text) = await McpProcess.CallAsync(client, "search", new { query = "layer" });

        Assert.True(isError);
        Assert.Contains("nowhere", text, StringComparison.Ordinal);
    }
}
