using System.Globalization;
using System.Text;
using RagPlatform.Contracts;
using Spectre.Console;

namespace RagPlatform.Cli.Searching;

/// <summary>Prints hits for people: wrapped and highlighted on a terminal, three plain lines for each elsewhere.</summary>
internal static class HitPrinter
{
    private const int SnippetLength = 320;
    private const int Indent = 3;
    private const string HeadingSeparator = " › ";

    /// <summary>Prints an answer.</summary>
    public static void Print(CliEnvironment environment, SearchRequest request, SearchResponse response)
    {
        var console = environment.OutputConsole();
        var highlighter = new TermHighlighter(request.Query);
        for (var i = 0; i < response.Hits.Count; i++)
        {
            var hit = Clean(response.Hits[i]);
            var snippet = highlighter.Snippet(hit.Text, SnippetLength);
            var place = string.Create(CultureInfo.InvariantCulture, $"{hit.DocumentId} · passage {hit.Ordinal + 1} · score {hit.Score:0.####}");
            if (environment.OutputIsTerminal)
            {
                console.MarkupLine($"[bold]{request.Offset + i + 1}. {Markup.Escape(Title(hit))}[/][grey]{Markup.Escape(Heading(hit))}[/]");
                console.MarkupLine($"{new string(' ', Indent)}[grey]{Markup.Escape(place)}[/]");
                console.Write(new Padder(new Markup(Highlight(highlighter, snippet)), new Padding(Indent, 0, 0, 0)));
            }
            else
            {
                environment.Output.WriteLine($"{request.Offset + i + 1}. {Title(hit)}{Heading(hit)}");
                environment.Output.WriteLine($"{new string(' ', Indent)}{place}");
                environment.Output.WriteLine($"{new string(' ', Indent)}{snippet}");
            }

            foreach (var neighbor in hit.Neighbors ?? [])
            {
                environment.Output.WriteLine(
                    $"{new string(' ', Indent)}[passage {neighbor.Ordinal + 1}] {highlighter.Snippet(neighbor.Text, SnippetLength / 2)}");
            }

            environment.Output.WriteLine();
        }

        var summary = Summary(response);
        if (environment.OutputIsTerminal)
        {
            console.MarkupLine($"[grey]{Markup.Escape(summary)}[/]");
        }
        else
        {
            environment.Output.WriteLine(summary);
        }

        if (response.Explanation is { } explanation)
        {
            Explain(environment.Output, explanation);
        }
    }

    private static void Explain(TextWriter output, SearchExplanation explanation)
    {
        output.WriteLine(FormattableString.Invariant(
            $"{explanation.MatchingChunks:N0} of {explanation.Chunks:N0} passages match the filter (estimate, {100 * explanation.Selectivity:0.##} %), ")
            + FormattableString.Invariant($"{explanation.Postings:N0} postings scored"));
        foreach (var (term, documents) in explanation.Terms)
        {
            output.WriteLine($"  term {term}: in {Quantity.Of(documents, "document")}");
        }

        foreach (var alternative in explanation.Alternatives)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  plan {alternative.Plan}, cost {alternative.Cost:N0}: {alternative.Reason}"));
        }
    }

    // Documents may hold what would clear the screen, or say that another document is here.
    private static SearchHit Clean(SearchHit hit) => hit with
    {
        DocumentId = TerminalText.Plain(hit.DocumentId),
        Title = TerminalText.Plain(hit.Title),
        Heading = TerminalText.Plain(hit.Heading),
        Text = TerminalText.Clean(hit.Text),
    };

    private static string Title(SearchHit hit) => hit.Title.Length > 0 ? hit.Title : hit.DocumentId;

    // The outermost heading of a page is mostly its title again.
    private static string Heading(SearchHit hit)
    {
        var repeated = hit.Title + HeadingSeparator;
        var heading = hit.Heading == hit.Title ? ""
            : hit.Heading.StartsWith(repeated, StringComparison.Ordinal) ? hit.Heading[repeated.Length..]
            : hit.Heading;
        return heading.Length > 0 ? HeadingSeparator + heading : "";
    }

    private static string Summary(SearchResponse response)
    {
        var hits = response.Hits.Count == 0 ? "nothing found" : Quantity.Of(response.Hits.Count, "hit");
        var total = response.Total is { } all ? FormattableString.Invariant($" of {all:N0}") : "";
        var timings = FormattableString.Invariant(
            $"{response.Timings.Total:0.0} ms (embedding {response.Timings.Embedding:0.0}, database {response.Timings.Database:0.0})");
        var mode = response.Mode.ToString().ToLowerInvariant();
        return $"{hits}{total} · {mode} · plan {response.Plan} · {timings}{(response.Cached ? " · cached" : "")}";
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
