using System.CommandLine;
using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json;
using ModelContextProtocol;
using ModelContextProtocol.Server;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Mcp;

/// <summary><c>rag mcp</c>: search and ask as tools of the Model Context Protocol, over standard input and output.</summary>
internal static class McpCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var workspace = WorkspaceOptions.Name();
        var command = new Command("mcp", "Serve a workspace's search and ask to agents (Model Context Protocol, stdio).") { workspace };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var tools = new McpTools(context.Connect(parse), parse.GetRequiredValue(workspace));
            var transport = new StdioServerTransport("rag");
            await using (transport.ConfigureAwait(false))
            {
                var server = McpServer.Create(transport, CreateOptions(tools));
                await using (server.ConfigureAwait(false))
                {
                    await server.RunAsync(cancellationToken).ConfigureAwait(false);
                }
            }

            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>The server's name and tools.</summary>
    internal static McpServerOptions CreateOptions(McpTools tools) => new()
    {
        ServerInfo = new() { Name = "rag", Version = typeof(McpCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion },
        ServerInstructions = $"Searches the documents of the workspace '{tools.Workspace}'. Search first; cite the ids of the documents that you use.",
        ToolCollection =
        [
            McpServerTool.Create(tools.SearchAsync, new() { Name = "search", Title = "Search documents", ReadOnly = true }),
            McpServerTool.Create(tools.AskAsync, new() { Name = "ask", Title = "Ask a question", ReadOnly = true }),
        ],
    };
}

/// <summary>The tools.</summary>
/// <param name="client">The API.</param>
/// <param name="workspace">The workspace that is served.</param>
internal sealed class McpTools(RagClient client, string workspace)
{
    private const int MaxPassages = 20;

    /// <summary>The workspace that is served.</summary>
    public string Workspace { get; } = workspace;

    /// <summary>The tool <c>search</c>.</summary>
    [Description("Find passages of the documents, by words and by meaning. Gives each passage with its document's id, title and metadata.")]
    public async Task<string> SearchAsync(
        [Description("What to search for. Words in double quotes must be there as they are.")] string query,
        [Description("The most passages to return, 1 to 20.")] int limit = 8,
        [Description("hybrid, keyword, vector or auto.")] string mode = "auto",
        [Description("A condition on metadata as JSON, such as {\"year\": {\"$gte\": 2020}}; empty for none.")] string filter = "",
        CancellationToken cancellationToken = default)
    {
        if (!Enum.TryParse<SearchMode>(mode, ignoreCase: true, out var parsed))
        {
            throw new McpException("mode must be hybrid, keyword, vector or auto.");
        }

        try
        {
            var condition = string.IsNullOrWhiteSpace(filter) ? (JsonElement?)null : JsonElement.Parse(filter);
            var answer = await client.SearchAsync(
                Workspace, new(query, parsed, Math.Clamp(limit, 1, MaxPassages), Filter: condition), cancellationToken).ConfigureAwait(false);
            return Describe(answer.Hits);
        }
        catch (JsonException e)
        {
            throw new McpException("filter is not valid JSON: " + e.Message);
        }
        catch (Exception e) when (e is RagApiException or HttpRequestException)
        {
            throw new McpException(e.Message);
        }
    }

    /// <summary>The tool <c>ask</c>.</summary>
    [Description("Have a question answered from the documents by the platform's own chat model, with citations. Needs one to be configured; search does not.")]
    public async Task<string> AskAsync([Description("The question.")] string question, CancellationToken cancellationToken = default)
    {
        var answer = new StringBuilder();
        IReadOnlyList<SearchHit> sources = [];
        try
        {
            await foreach (var item in client.AskAsync(Workspace, new(question), cancellationToken).ConfigureAwait(false))
            {
                if (item.EventType == "error")
                {
                    throw new McpException(item.Data.Text ?? "The answer broke off.");
                }

                sources = item.Data.Sources ?? sources;
                answer.Append(item.Data.Text);
                foreach (var number in item.Data.Citations ?? [])
                {
                    answer.Append(CultureInfo.InvariantCulture, $"\n[{number}] {sources[number - 1].DocumentId}: {sources[number - 1].Title}");
                }
            }
        }
        catch (Exception e) when (e is RagApiException or HttpRequestException)
        {
            throw new McpException(e.Message);
        }

        return answer.ToString();
    }

    private static string Describe(IReadOnlyList<SearchHit> hits)
    {
        if (hits.Count == 0)
        {
            return "Nothing was found.";
        }

        var text = new StringBuilder();
        foreach (var hit in hits)
        {
            text.Append(CultureInfo.InvariantCulture, $"## {hit.DocumentId}: {hit.Title}\n");
            text.Append(hit.Heading.Length > 0 ? hit.Heading + "\n" : "");
            text.Append(CultureInfo.InvariantCulture, $"metadata: {hit.Metadata.GetRawText()}\n\n{hit.Text}\n\n");
        }

        return text.ToString();
    }
}
