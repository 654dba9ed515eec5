using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;
using Spectre.Console;

namespace RagPlatform.Cli.Searching;

/// <summary><c>rag search "…" --workspace W</c>.</summary>
internal static class SearchCommand
{
    private const int SnippetLength = 320;

    private static readonly JsonSerializerOptions s_json = new(RagJson.Options) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var query = new Argument<string[]>("query") { Description = "What to search for. Several words need no quotes.", Arity = ArgumentArity.OneOrMore };
        var workspace = WorkspaceOptions.Name();
        var mode = EnumOption.Create("--mode", "How passages are found.", SearchMode.Hybrid, "-m");
        var limit = new Option<int>("--limit", "-n") { Description = "The most hits, 1 to 200.", DefaultValueFactory = _ => 10 };
        var offset = new Option<int>("--offset") { Description = "Hits to skip, 0 to 10,000." };
        var filter = new Option<string?>("--filter") { Description = "A condition on metadata, such as '{\"format\": \"markdown\"}'.", HelpName = "JSON" };
        var minScore = new Option<double?>("--min-score") { Description = "Leave out hits below it; its scale is the mode's own." };
        var documents = new Option<bool>("--documents") { Description = "Each document once, by its best passage." };
        var json = new Option<bool>("--json") { Description = "Print the API's answer as JSON." };
        var command = new Command("search", "Search a workspace.") { query, workspace, mode, limit, offset, filter, minScore, documents, json };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var request = new SearchRequest(
                string.Join(' ', parse.GetRequiredValue(query)),
                parse.GetValue(mode),
                parse.GetValue(limit),
                parse.GetValue(offset),
                ParseFilter(parse.GetValue(filter)),
                parse.GetValue(minScore),
                parse.GetValue(documents) ? SearchGrouping.Document : SearchGrouping.Passage);
            var client = context.Connect(parse);
            var response = await client.SearchAsync(parse.GetRequiredValue(workspace), request, cancellationToken).ConfigureAwait(false);
            if (parse.GetValue(json))
            {
                context.Environment.Output.WriteLine(JsonSerializer.Serialize(response, s_json));
            }
            else
            {
                Print(context.Environment.OutputConsole(), request, response);
            }
        });
        return command;
    }

    private static JsonElement? ParseFilter(string? filter)
    {
        if (filter is null)
        {
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(filter);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new CliException($"--filter is no JSON: {e.Message}", e);
        }
    }

    private static void Print(IAnsiConsole console, SearchRequest request, SearchResponse response)
    {
        var highlighter = new TermHighlighter(request.Query);
        for (var i = 0; i < response.Hits.Count; i++)
        {
            var hit = response.Hits[i];
            var title = hit.Title.Length > 0 ? hit.Title : hit.DocumentId;
            var heading = hit.Heading.Length > 0 && hit.Heading != hit.Title ? $" [grey]› {Markup.Escape(hit.Heading)}[/]" : "";
            console.MarkupLine($"[bold]{request.Offset + i + 1}. {Markup.Escape(title)}[/]{heading}");
            console.MarkupLine(string.Create(
                CultureInfo.InvariantCulture, $"   [grey]{Markup.Escape(hit.DocumentId)} · passage {hit.Ordinal + 1} · score {hit.Score:0.####}[/]"));
            console.Write(new Padder(new Markup(Highlight(highlighter, highlighter.Snippet(hit.Text, SnippetLength))), new Padding(3, 0, 0, 0)));
            console.WriteLine();
        }

        if (response.Hits.Count == 0)
        {
            console.WriteLine("Nothing was found.");
        }

        console.MarkupLine(string.Create(
            CultureInfo.InvariantCulture,
            $"[grey]{response.Hits.Count} hits · {Markup.Escape(response.Mode.ToString().ToLowerInvariant())} · plan {Markup.Escape(response.Plan)} · {response.Timings.Total:0.0} ms (embedding {response.Timings.Embedding:0.0}, database {response.Timings.Database:0.0}){(response.Cached ? " · cached" : "")}[/]"));
    }

    private static string Highlight(TermHighlighter highlighter, string text)
    {
        var markup = new StringBuilder();
        var at = 0;
        foreach (var match in highlighter.Find(text))
        {
            markup.Append(Markup.Escape(text[at..match.Start.Value])).Append("[bold yellow]").Append(Markup.Escape(text[match])).Append("[/]");
            at = match.End.Value;
        }

        return markup.Append(Markup.Escape(text[at..])).ToString();
    }
}
