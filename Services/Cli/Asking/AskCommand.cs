using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Asking;

/// <summary><c>rag ask "…" --workspace W</c>.</summary>
internal static class AskCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var question = new Argument<string[]>("question") { Description = "The question. Several words need no quotes.", Arity = ArgumentArity.OneOrMore };
        var workspace = WorkspaceOptions.Name(context);
        var mode = EnumOption.Create("--mode", "How passages are found.", SearchMode.Hybrid, "-m");
        var limit = JsonOption.Number("--limit", "How many passages the answer may draw on, 1 to 20.", 6, 1, 20, "-n");
        var filter = JsonOption.Filter();
        var json = new Option<bool>("--json") { Description = "Print the API's events, one JSON line each." };
        var command = new Command("ask", "Have a question answered from a workspace, with its sources. Needs a chat model to be configured.")
        {
            question, workspace, mode, limit, filter, json,
        };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var request = new AskRequest(
                string.Join(' ', parse.GetRequiredValue(question)), parse.GetValue(limit), parse.GetValue(mode), parse.GetValue(filter));
            var output = context.Environment.Output;
            IReadOnlyList<SearchHit> sources = [];
            var isDone = false;
            await foreach (var item in context.Connect(parse).AskAsync(parse.GetRequiredValue(workspace), request, cancellationToken))
            {
                sources = item.Data.Sources ?? sources;
                if (item.EventType == "error")
                {
                    await output.WriteLineAsync();
                    throw new CliException(item.Data.Text ?? "the answer broke off.");
                }

                isDone |= item.EventType == "done";
                if (parse.GetValue(json))
                {
                    await output.WriteLineAsync(JsonSerializer.Serialize(new { type = item.EventType, data = item.Data }, RagJson.Options));
                }
                else if (item.EventType == "done")
                {
                    await output.WriteLineAsync();
                    PrintSources(output, sources, item.Data.Citations ?? []);
                    if (item.Data.Text is { Length: > 0 } note)
                    {
                        await context.Environment.Error.WriteLineAsync("rag: " + note);
                    }
                }
                else
                {
                    // As it is written, so that a person can begin to read.
                    await output.WriteAsync(item.Data.Text);
                    await output.FlushAsync(cancellationToken);
                }
            }

            if (!isDone)
            {
                throw new CliException("the answer broke off: the connection ended before it was whole.");
            }
        });
        return command;
    }

    private static void PrintSources(TextWriter output, IReadOnlyList<SearchHit> sources, IReadOnlyList<int> citations)
    {
        foreach (var number in citations.Where(number => number >= 1 && number <= sources.Count))
        {
            var hit = sources[number - 1];
            var heading = hit.Heading.Length > 0 && hit.Heading != hit.Title ? $" › {TerminalText.Plain(hit.Heading)}" : "";
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"[{number}] {TerminalText.Plain(hit.DocumentId)}: {TerminalText.Plain(hit.Title)}{heading}"));
        }
    }
}
