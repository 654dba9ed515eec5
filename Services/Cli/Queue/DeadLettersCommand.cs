using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;
using Spectre.Console;

namespace RagPlatform.Cli.Queue;

/// <summary><c>rag dead-letters list|causes|replay|discard</c>.</summary>
internal static class DeadLettersCommand
{
    private const int Page = 100;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context) => new("dead-letters", "See, replay and discard documents that could not be indexed.")
    {
        CreateList(context),
        CreateCauses(context),
        CreateSelection(
            context,
            "replay",
            "Queue them again.",
            (client, workspace, selection, token) => client.ReplayDeadLettersAsync(workspace, selection, token),
            "queued again"),
        CreateSelection(
            context,
            "discard",
            "Put them out of sight. Their documents stay not searchable.",
            (client, workspace, selection, token) => client.DiscardDeadLettersAsync(workspace, selection, token),
            "discarded"),
    };

    private static Command CreateList(CliContext context)
    {
        var workspace = WorkspaceOptions.Name(context);
        var cause = new Option<string?>("--cause") { Description = "Only those of this cause." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object for each, with all its attempts." };
        var command = new Command("list", "List them with what the last attempt said.") { workspace, cause, json };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var client = context.Connect(parse);
            var any = false;
            string? cursor = null;
            do
            {
                var page = await client.ListDeadLettersAsync(
                    parse.GetRequiredValue(workspace), parse.GetValue(cause), cursor, Page, cancellationToken);
                foreach (var letter in page.Items)
                {
                    any = true;
                    context.Environment.Output.WriteLine(
                        parse.GetValue(json) ? JsonSerializer.Serialize(letter, RagJson.Options) : ToLine(letter));
                }

                cursor = page.NextCursor;
            }
            while (cursor is not null);

            if (!any)
            {
                context.Environment.Error.WriteLine("There are none.");
            }
        });
        return command;
    }

    private static string ToLine(DeadLetter letter)
    {
        var message = letter.Attempts is [.., var last] ? last.Message : "";
        return string.Create(
            CultureInfo.InvariantCulture, $"{letter.DocumentId}  {letter.FailedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z  {letter.Cause}: {message}");
    }

    private static Command CreateCauses(CliContext context)
    {
        var workspace = WorkspaceOptions.Name(context);
        var command = new Command("causes", "Group them by cause, most frequent first.") { workspace };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var causes = await context.Connect(parse).ListDeadLetterCausesAsync(parse.GetRequiredValue(workspace), cancellationToken);
            var table = new Table().Border(TableBorder.Simple).AddColumn("cause").AddColumn(new TableColumn("count").RightAligned())
                .AddColumn("oldest").AddColumn("the newest said");
            foreach (var cause in causes.Items)
            {
                table.AddRow(
                    Markup.Escape(TerminalText.Plain(cause.Cause)),
                    cause.Count.ToString("N0", CultureInfo.InvariantCulture),
                    cause.OldestAt.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
                    Markup.Escape(TerminalText.Plain(cause.Message)));
            }

            if (causes.Items.Count == 0)
            {
                context.Environment.Error.WriteLine("There are none.");
            }
            else
            {
                context.Environment.OutputConsole().Write(table);
            }
        });
        return command;
    }

    private static Command CreateSelection(
        CliContext context,
        string name,
        string description,
        Func<RagClient, string, DeadLetterSelection, CancellationToken, Task<OperationResult>> runAsync,
        string done)
    {
        var workspace = WorkspaceOptions.Name(context);
        var ids = new Argument<string[]>("id") { Description = "Documents.", Arity = ArgumentArity.ZeroOrMore };
        var cause = new Option<string?>("--cause") { Description = "Those of this cause." };
        var all = new Option<bool>("--all") { Description = "All of the workspace." };
        var command = new Command(name, description) { ids, workspace, cause, all };
        command.Validators.Add(result =>
        {
            var some = result.GetValue(ids) is { Length: > 0 } || result.GetValue(cause) is not null;
            if (some == result.GetValue(all))
            {
                result.AddError("Give ids, --cause, or both; or --all.");
            }
        });
        command.SetAction(async (parse, cancellationToken) =>
        {
            var given = parse.GetValue(ids) ?? [];
            var selection = new DeadLetterSelection(given.Length > 0 ? given : null, parse.GetValue(cause), parse.GetValue(all));
            var result = await runAsync(context.Connect(parse), parse.GetRequiredValue(workspace), selection, cancellationToken);
            context.Environment.Output.WriteLine($"{Quantity.Of(result.Count, "dead letter")} {done}.");
        });
        return command;
    }
}
