using System.CommandLine;

namespace RagPlatform.Cli.Connections;

/// <summary><c>rag env</c>: the addresses and the key as a shell takes them.</summary>
internal static class EnvironmentCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var shell = new Option<string>("--shell") { Description = "sh, or fish.", DefaultValueFactory = _ => "sh" };
        shell.AcceptOnlyFromAmong("sh", "fish");
        var command = new Command("env", "Print addresses and key as exports for a shell: eval \"$(rag env)\". OpenAI's SDKs then use the gateway.") { shell };
        command.SetAction(parse =>
        {
            var environment = context.Environment;
            var api = context.Address(parse);
            var data = LocalData.Find(environment);
            var embedding = (environment.Variable("RAG_EMBEDDING_URL") ?? LocalNode.FindAddress(data, "embedding") ?? EmbeddingAddress.Default).TrimEnd('/');
            (string Name, string Value)[] variables =
            [
                ("RAG_URL", api.Url.ToString().TrimEnd('/')),
                ("RAG_API_KEY", api.Key),
                ("RAG_EMBEDDING_URL", embedding),
                ("RAG_DASHBOARD_URL", DashboardAddress.Find(environment).TrimEnd('/')),
                ("OPENAI_BASE_URL", embedding + "/v1"),
                ("OPENAI_API_KEY", api.Key),
            ];
            foreach (var (name, value) in variables)
            {
                environment.Output.WriteLine(parse.GetValue(shell) == "fish" ? $"set -gx {name} {Quote(value)}" : $"export {name}={Quote(value)}");
            }
        });
        return command;
    }

    private static string Quote(string value) => "'" + value.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
