using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using RagPlatform.Cli.Ingest;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Documents;

/// <summary><c>rag document get|list|put|delete</c>.</summary>
internal static class DocumentCommand
{
    private const int ListPage = 1000;

    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(30);

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context) => new("document", "Read, list, put and delete single documents.")
    {
        CreateGet(context),
        CreateList(context),
        CreatePut(context),
        CreateDelete(context),
    };

    private static Argument<string> IdArgument() => new("id") { Description = "The document's id." };

    private static Command CreateGet(CliContext context)
    {
        var id = IdArgument();
        var workspace = WorkspaceOptions.Name(context);
        var json = new Option<bool>("--json") { Description = "Print the API's answer as JSON: text, title, metadata, revision." };
        var command = new Command("get", "Print a document's text.") { id, workspace, json };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var (name, document) = (parse.GetRequiredValue(workspace), parse.GetRequiredValue(id));
            var found = await context.Connect(parse).FindDocumentAsync(name, document, cancellationToken)
                ?? throw Missing(name, document);
            await (parse.GetValue(json)
                ? context.Environment.Output.WriteLineAsync(JsonSerializer.Serialize(found, RagJson.Options))
                : context.Environment.Data.WriteAsync(found.Text));
            await context.Environment.Data.FlushAsync(cancellationToken);
        });
        return command;
    }

    private static Command CreateList(CliContext context)
    {
        var workspace = WorkspaceOptions.Name(context);
        var json = new Option<bool>("--json") { Description = "One JSON line for each document." };
        var command = new Command("list", "List documents by id: revision, state, characters, title.") { workspace, json };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var client = context.Connect(parse);
            string? cursor = null;
            do
            {
                var page = await client.ListDocumentsAsync(parse.GetRequiredValue(workspace), cursor, ListPage, cancellationToken);
                foreach (var document in page.Items)
                {
                    context.Environment.Output.WriteLine(parse.GetValue(json)
                        ? JsonSerializer.Serialize(document, RagJson.Options)
                        : string.Create(
                            CultureInfo.InvariantCulture,
                            $"{TerminalText.Plain(document.Id)}\t{document.Revision}\t{document.State.ToString().ToLowerInvariant()}\t{document.TextLength}\t{TerminalText.Plain(document.Title)}"));
                }

                cursor = page.NextCursor;
            }
            while (cursor is not null);
        });
        return command;
    }

    private static Command CreatePut(CliContext context)
    {
        var id = IdArgument();
        var file = new Argument<string>("file") { Description = "The file with its text; - for standard input.", DefaultValueFactory = _ => "-" };
        var workspace = WorkspaceOptions.Name(context);
        var title = new Option<string>("--title") { Description = "Its title.", DefaultValueFactory = _ => "" };
        var metadata = JsonOption.Create("--metadata", "Its metadata, such as '{\"year\": 2026}'.");
        var priority = EnumOption.Create("--priority", "How soon, against other documents.", DocumentPriority.Normal);
        var noWait = new Option<bool>("--no-wait") { Description = "Do not wait until it is searchable." };
        var command = new Command("put", "Put a document, whose text is a file or standard input as it is.") { id, file, workspace, title, metadata, priority, noWait };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var text = await ReadAsync(context.Environment, parse.GetRequiredValue(file), cancellationToken);
            var written = await context.Connect(parse).PutDocumentAsync(
                parse.GetRequiredValue(workspace),
                parse.GetRequiredValue(id),
                new DocumentPut(text, parse.GetValue(title) ?? "", parse.GetValue(metadata), parse.GetValue(priority)),
                parse.GetValue(noWait) ? null : s_longestWait,
                cancellationToken);
            context.Environment.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{TerminalText.Plain(written.Id)}: revision {written.Revision}, {(written.Changed ? "new or changed" : "as it was")}."));
        });
        return command;
    }

    private static Command CreateDelete(CliContext context)
    {
        var ids = new Argument<string[]>("id") { Description = "The documents' ids.", Arity = ArgumentArity.OneOrMore };
        var workspace = WorkspaceOptions.Name(context);
        var command = new Command("delete", "Delete documents.") { ids, workspace };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var client = context.Connect(parse);
            var name = parse.GetRequiredValue(workspace);
            var missing = new List<string>();
            foreach (var id in parse.GetRequiredValue(ids))
            {
                if (await client.DeleteDocumentAsync(name, id, wait: null, cancellationToken))
                {
                    context.Environment.Output.WriteLine($"deleted {TerminalText.Plain(id)}");
                }
                else
                {
                    missing.Add(id);
                }
            }

            if (missing.Count > 0)
            {
                throw Missing(name, string.Join("', '", missing));
            }
        });
        return command;
    }

    private static CliException Missing(string workspace, string id) =>
        new($"workspace '{workspace}' has no document '{TerminalText.Plain(id)}'. 'rag document list -w {workspace}' shows what there is.");

    private static async Task<string> ReadAsync(CliEnvironment environment, string file, CancellationToken cancellationToken)
    {
        var path = environment.FullPath(file);
        if (file != "-" && !File.Exists(path))
        {
            throw new UsageException($"{path} does not exist.");
        }

        using var content = new MemoryStream();
        await using (var input = file == "-" ? environment.OpenInput() : File.OpenRead(path))
        {
            var buffer = new byte[1 << 16];
            for (int read; (read = await input.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                content.Write(buffer, 0, read);
                if (content.Length > DocumentLimits.MaxBodyBytes)
                {
                    throw new CliException($"the text has more than {DocumentLimits.MaxBodyBytes:N0} bytes.");
                }
            }
        }

        return SourceText.TryDecode(content.GetBuffer().AsSpan(0, (int)content.Length), SourceKind.Text, out var text, out var reason)
            ? text
            : throw new CliException($"{(file == "-" ? "standard input" : path)} cannot be put: {reason}.");
    }
}
