using System.CommandLine;
using System.Globalization;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Keys;

/// <summary><c>rag key create|list|revoke</c>: the API keys of a workspace.</summary>
internal static class KeyCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context) => new("key", "Make, list and revoke a workspace's API keys.")
    {
        CreateCreate(context),
        CreateList(context),
        CreateRevoke(context),
    };

    private static Command CreateCreate(CliContext context)
    {
        var workspace = WorkspaceOptions.Name(context);
        var label = new Option<string>("--name") { Description = "For people, to tell keys apart.", DefaultValueFactory = _ => "rag" };
        var command = new Command("create", "Make an API key and print it: it is never shown again.") { workspace, label };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var key = await context.Connect(parse)
                .CreateApiKeyAsync(parse.GetRequiredValue(workspace), new ApiKeyCreate(parse.GetRequiredValue(label)), cancellationToken);
            context.Environment.Output.WriteLine(key.Secret);
        });
        return command;
    }

    private static Command CreateList(CliContext context)
    {
        var workspace = WorkspaceOptions.Name(context);
        var command = new Command("list", "List the keys, oldest first: id, when it was made, name.") { workspace };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var keys = await context.Connect(parse).ListApiKeysAsync(parse.GetRequiredValue(workspace), cancellationToken);
            foreach (var key in keys.Items)
            {
                context.Environment.Output.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"{key.KeyId}\t{key.CreatedAt.UtcDateTime:yyyy-MM-dd HH:mm}\t{TerminalText.Plain(key.Name)}"));
            }

            if (keys.Items.Count == 0)
            {
                context.Environment.Error.WriteLine("There are none.");
            }
        });
        return command;
    }

    private static Command CreateRevoke(CliContext context)
    {
        var id = new Argument<long>("id") { Description = "The key's id, as the list shows it." };
        var workspace = WorkspaceOptions.Name(context);
        var command = new Command("revoke", "Revoke a key: from now on it opens nothing.") { id, workspace };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var (name, key) = (parse.GetRequiredValue(workspace), parse.GetRequiredValue(id));
            if (!await context.Connect(parse).DeleteApiKeyAsync(name, key, cancellationToken))
            {
                throw new CliException(FormattableString.Invariant($"workspace '{name}' has no key {key}. 'rag key list -w {name}' shows what there is."));
            }

            context.Environment.Output.WriteLine(FormattableString.Invariant($"{name}: key {key} is revoked."));
        });
        return command;
    }
}
