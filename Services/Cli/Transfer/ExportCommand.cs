using System.CommandLine;
using System.Text;
using System.Text.Json;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Transfer;

/// <summary><c>rag export --workspace W</c>: documents with their chunks and vectors, one a line.</summary>
internal static class ExportCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var workspace = WorkspaceOptions.Name(context);
        var output = new Option<string?>("--output", "-o") { Description = "The file to write. Else standard output.", HelpName = "FILE" };
        var command = new Command("export", "Write a workspace's documents with their chunks and vectors as JSON lines, for rag import.")
        {
            workspace, output,
        };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var (client, name) = (context.Connect(parse, patient: true), parse.GetRequiredValue(workspace));
            if (parse.GetValue(output) is not { } path)
            {
                await ExportAsync(client, name, context.Environment.Output, cancellationToken).ConfigureAwait(false);
                return;
            }

            // Under its name only once it is whole.
            path = context.Environment.FullPath(path);
            var partial = path + ".partial";
            int count;
            await using (var writer = new StreamWriter(partial, append: false, new UTF8Encoding(false)) { NewLine = "\n" })
            {
                count = await ExportAsync(client, name, writer, cancellationToken).ConfigureAwait(false);
            }

            File.Move(partial, path, overwrite: true);
            await context.Environment.Output.WriteLineAsync($"{Quantity.Of(count, "document")} written to {path}.").ConfigureAwait(false);
        });
        return command;
    }

    private static async Task<int> ExportAsync(RagClient client, string workspace, TextWriter output, CancellationToken cancellationToken)
    {
        var count = 0;
        string? cursor = null;
        do
        {
            var page = await client.ExportAsync(workspace, cursor, cancellationToken: cancellationToken).ConfigureAwait(false);
            foreach (var document in page.Items)
            {
                var line = JsonSerializer.Serialize(new ExportedLine(page.Space, document), RagJson.Options);
                await output.WriteLineAsync(line.AsMemory(), cancellationToken).ConfigureAwait(false);
            }

            count += page.Items.Count;
            cursor = page.NextCursor;
        }
        while (cursor is not null);

        return count;
    }
}
