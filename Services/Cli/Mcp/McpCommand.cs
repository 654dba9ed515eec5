using System.CommandLine;
using System.Reflection;
using ModelContextProtocol.Server;
using RagPlatform.Cli.Workspaces;

namespace RagPlatform.Cli.Mcp;

/// <summary><c>rag mcp</c>: search and ask as tools of the Model Context Protocol, over standard input and output.</summary>
internal static class McpCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var workspace = WorkspaceOptions.Name(context);
        var command = new Command("mcp", "Serve a workspace's search and ask to agents (Model Context Protocol, stdio).") { workspace };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var options = CreateOptions(new McpTools(context.Connect(parse), parse.GetRequiredValue(workspace)));
            await RunAsync(options, Console.OpenStandardInput(), Console.OpenStandardOutput(), cancellationToken).ConfigureAwait(false);
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>Serves until <paramref name="input"/> ends and everything that it asked for is answered.</summary>
    internal static async Task RunAsync(McpServerOptions options, Stream input, Stream output, CancellationToken cancellationToken)
    {
        using var held = new HeldInput(input);
        var inner = new StreamServerTransport(held, output, "rag");
        await using (inner.ConfigureAwait(false))
        {
            var transport = new McpTransport(inner, held);
            await using (transport.ConfigureAwait(false))
            {
                var server = McpServer.Create(transport, options);
                await using (server.ConfigureAwait(false))
                {
                    await server.RunAsync(cancellationToken).ConfigureAwait(false);
                }
            }
        }
    }

    /// <summary>The server's name and tools.</summary>
    internal static McpServerOptions CreateOptions(McpTools tools) => new()
    {
        ServerInfo = new() { Name = "rag", Version = typeof(McpCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion },
        ServerInstructions = $"Searches the documents of the workspace '{tools.Workspace}'. Search first; cite the ids of the documents that you use.",
        ToolCollection = [.. tools.All],
    };
}
