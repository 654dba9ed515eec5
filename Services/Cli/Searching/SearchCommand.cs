using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Searching;

/// <summary><c>rag search "…" --workspace W</c>.</summary>
internal static class SearchCommand
{
    private static readonly JsonSerializerOptions s_json = new(RagJson.Options)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var query = new Argument<string[]>("query") { Description = "What to search for. Several words need no quotes.", Arity = ArgumentArity.OneOrMore };
        var workspace = WorkspaceOptions.Name(context);
        var mode = EnumOption.Create("--mode", "How passages are found.", SearchMode.Hybrid, "-m");
        var limit = JsonOption.Number("--limit", "The most hits, 1 to 200.", 10, 1, 200, "-n");
        var offset = JsonOption.Number("--offset", "Hits to skip, 0 to 10,000.", 0, 0, 10_000);
        var filter = JsonOption.Filter();
        var minScore = new Option<double?>("--min-score") { Description = "Leave out hits below it; its scale is the mode's own." };
        var documents = new Option<bool>("--documents") { Description = "Each document once, by its best passage." };
        var fuzzy = new Option<bool>("--fuzzy") { Description = "Words that are nowhere stand for those that are spelt alike." };
        var recall = EnumOption.Create("--recall", "How much an approximate index may miss.", SearchRecall.Balanced);
        var neighbors = JsonOption.Number("--neighbors", "Passages before and behind each hit, 0 to 5.", 0, 0, 5);
        var total = new Option<bool>("--total") { Description = "Count all matches." };
        var explain = new Option<bool>("--explain") { Description = "Say why the plan was chosen, and what else there was." };
        var noCache = new Option<bool>("--no-cache") { Description = "Compute the answer anew." };
        var json = new Option<bool>("--json") { Description = "Print the API's answer as JSON." };
        var command = new Command("search", "Search a workspace. What is in double quotes must be there word by word.")
        {
            query, workspace, mode, limit, offset, filter, minScore, documents, fuzzy, recall, neighbors, total, explain, noCache, json,
        };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var request = new SearchRequest(
                string.Join(' ', parse.GetRequiredValue(query)),
                parse.GetValue(mode),
                parse.GetValue(limit),
                parse.GetValue(offset),
                parse.GetValue(filter),
                parse.GetValue(minScore),
                parse.GetValue(documents) ? SearchGrouping.Document : SearchGrouping.Passage,
                Recall: parse.GetValue(recall),
                Explain: parse.GetValue(explain),
                Fuzzy: parse.GetValue(fuzzy),
                Neighbors: parse.GetValue(neighbors),
                Total: parse.GetValue(total),
                NoCache: parse.GetValue(noCache));
            var client = context.Connect(parse);
            var response = await client.SearchAsync(parse.GetRequiredValue(workspace), request, cancellationToken);
            if (parse.GetValue(json))
            {
                context.Environment.Output.WriteLine(TerminalText.Json(JsonSerializer.Serialize(response, s_json)));
            }
            else
            {
                HitPrinter.Print(context.Environment, request, response);
            }
        });
        return command;
    }
}
