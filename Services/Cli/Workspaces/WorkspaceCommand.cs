using System.CommandLine;
using System.Globalization;
using RagPlatform.Cli.Completion;
using RagPlatform.Contracts;
using Spectre.Console;

namespace RagPlatform.Cli.Workspaces;

/// <summary><c>rag workspace create|list|set|delete|key</c>.</summary>
internal static class WorkspaceCommand
{
    private const int MostListed = 1000;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context) => new("workspace", "Create, list, change and delete workspaces, and make API keys for them.")
    {
        CreateCreate(context),
        CreateList(context),
        CreateSet(context),
        CreateDelete(context),
        CreateKey(context),
    };

    /// <summary>Workspaces by name, the first <paramref name="most"/>.</summary>
    public static async Task<IReadOnlyList<Workspace>> ListAsync(RagClient client, int most, CancellationToken cancellationToken)
    {
        var workspaces = new List<Workspace>();
        string? cursor = null;
        do
        {
            var page = await client.ListWorkspacesAsync(cursor, Math.Min(100, most), cancellationToken);
            workspaces.AddRange(page.Items);
            cursor = page.NextCursor;
        }
        while (cursor is not null && workspaces.Count < most);

        return workspaces.Count > most ? workspaces[..most] : workspaces;
    }

    private static Argument<string> NameArgument(CliContext context) =>
        new("name") { Description = "The workspace's name.", CompletionSources = { new RemoteCompletion(context).Workspaces } };

    private static Command CreateCreate(CliContext context)
    {
        var name = NameArgument(context);
        var settings = new WorkspaceOptions(context);
        var command = new Command("create", "Create a workspace.")
        {
            name, settings.Model, settings.Language, settings.ChunkSize, settings.Overlap, settings.Strategy,
        };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var workspace = await context.Connect(parse)
                .CreateWorkspaceAsync(settings.ToCreate(parse, parse.GetRequiredValue(name)), cancellationToken);
            context.Environment.Output.WriteLine($"{workspace.Name}: {workspace.Model}, {workspace.Dimensions} dimensions, {workspace.Language}.");
        });
        return command;
    }

    private static Command CreateList(CliContext context)
    {
        var command = new Command("list", "List workspaces.");
        command.SetAction(async (parse, cancellationToken) =>
        {
            var workspaces = await ListAsync(context.Connect(parse), MostListed, cancellationToken);
            var table = new Table().Border(TableBorder.Simple).AddColumn("workspace").AddColumn("model")
                .AddColumn(new TableColumn("dimensions").RightAligned()).AddColumn("language").AddColumn("chunking").AddColumn("created");
            foreach (var workspace in workspaces)
            {
                table.AddRow(
                    Markup.Escape(workspace.Name),
                    Markup.Escape(workspace.Model),
                    workspace.Dimensions.ToString("N0", CultureInfo.InvariantCulture),
                    Markup.Escape(workspace.Language),
                    $"{workspace.Chunking.Strategy.ToString().ToLowerInvariant()} {workspace.Chunking.TargetLength}/{workspace.Chunking.Overlap}",
                    workspace.CreatedAt.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture));
            }

            if (workspaces.Count == 0)
            {
                context.Environment.Output.WriteLine("There is no workspace yet: rag ingest PATH --workspace NAME makes one.");
            }
            else
            {
                context.Environment.OutputConsole().Write(table);
            }
        });
        return command;
    }

    private static Command CreateSet(CliContext context)
    {
        var name = NameArgument(context);
        var weight = JsonOption.Number("--weight", "Its share of indexing against other workspaces, 1 to 100.", 1, 1, 100);
        (weight.Required, weight.DefaultValueFactory) = (true, null);
        var command = new Command("set", "Change a workspace.") { name, weight };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var workspace = parse.GetRequiredValue(name);
            await context.Connect(parse).WeighIndexingAsync(workspace, parse.GetValue(weight), cancellationToken);
            context.Environment.Output.WriteLine($"{workspace}: weight {parse.GetValue(weight)}.");
        });
        return command;
    }

    private static Command CreateDelete(CliContext context)
    {
        var name = NameArgument(context);
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask." };
        var command = new Command("delete", "Delete a workspace with all its documents.") { name, yes };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var workspace = parse.GetRequiredValue(name);
            var client = context.Connect(parse);
            if (!parse.GetValue(yes))
            {
                if (!context.Environment.InputIsTerminal || !context.Environment.ErrorIsTerminal)
                {
                    throw new CliException($"this deletes workspace '{workspace}' with all its documents. Say --yes if you mean it.");
                }

                var documents = (await client.GetIndexingAsync(workspace, cancellationToken)).Documents;
                var prompt = new TextPrompt<string>(
                    $"This deletes workspace '{Markup.Escape(workspace)}' with its {documents:N0} documents. Type its name to go on:") { AllowEmpty = true };
                if ((await prompt.ShowAsync(context.Environment.ErrorConsole(), cancellationToken)).Trim() != workspace)
                {
                    throw new CliException("that is another name: nothing was deleted.");
                }
            }

            if (!await client.DeleteWorkspaceAsync(workspace, workspace, cancellationToken))
            {
                throw new CliException($"there is no workspace '{workspace}'. 'rag workspace list' shows what there is.");
            }

            context.Environment.Output.WriteLine($"{workspace} is deleted.");
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateKey(CliContext context)
    {
        var name = NameArgument(context);
        var label = new Option<string>("--name") { Description = "For people, to tell keys apart.", DefaultValueFactory = _ => "rag" };
        var command = new Command("key", "Make an API key for a workspace and print it: it is never shown again.") { name, label };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var key = await context.Connect(parse)
                .CreateApiKeyAsync(parse.GetRequiredValue(name), new ApiKeyCreate(parse.GetRequiredValue(label)), cancellationToken);
            context.Environment.Output.WriteLine(key.Secret);
        });
        return command;
    }
}
