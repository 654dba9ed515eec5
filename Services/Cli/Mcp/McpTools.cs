using System.Globalization;
using System.Text;
using System.Text.Json;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Mcp;

/// <summary>The tools.</summary>
/// <param name="client">The API.</param>
/// <param name="workspace">The workspace that is served.</param>
internal sealed class McpTools(RagClient client, string workspace)
{
    private const int MaxPassages = 20;
    private const int DefaultPassages = 8;
    private const string FilterExample = """{"year": {"$gte": 2020}}""";

    // The members are what McpArguments reads.
    private static readonly JsonElement s_searchSchema = JsonElement.Parse($$$"""
        {
          "type": "object",
          "properties": {
            "query": {"type": "string", "description": "What to search for. Words in double quotes must be there as they are."},
            "limit": {"type": "integer", "minimum": 1, "maximum": {{{MaxPassages}}}, "default": {{{DefaultPassages}}}, "description": "The most passages to return."},
            "mode": {"type": "string", "enum": ["hybrid", "keyword", "vector", "auto"], "default": "auto", "description": "How to search."},
            "filter": {"type": "object", "description": "A condition on metadata, such as {\"year\": {\"$gte\": 2020}}."}
          },
          "required": ["query"],
          "additionalProperties": false
        }
        """);

    private static readonly JsonElement s_askSchema = JsonElement.Parse("""
        {
          "type": "object",
          "properties": {"question": {"type": "string", "description": "The question."}},
          "required": ["question"],
          "additionalProperties": false
        }
        """);

    /// <summary>The workspace that is served.</summary>
    public string Workspace { get; } = workspace;

    /// <summary>All of them.</summary>
    public IEnumerable<McpServerTool> All =>
    [
        new McpTool(
            "search",
            "Search documents",
            "Find passages of the documents, by words and by meaning. Gives each passage with its document's id, title and metadata.",
            s_searchSchema,
            SearchAsync),
        new McpTool(
            "ask",
            "Ask a question",
            "Have a question answered from the documents by the platform's own chat model, with citations. Needs one to be configured; search does not.",
            s_askSchema,
            AskAsync),
    ];

    private async Task<string> SearchAsync(IEnumerable<KeyValuePair<string, JsonElement>>? given, CancellationToken cancellationToken)
    {
        var arguments = new McpArguments("search", given, "query", "limit", "mode", "filter");
        var request = new SearchRequest(
            arguments.Text("query", "what to search for"),
            arguments.Choice("mode", SearchMode.Auto),
            arguments.Number("limit", 1, MaxPassages, DefaultPassages),
            Filter: arguments.Object("filter", FilterExample));
        if (arguments.Errors() is { } errors)
        {
            throw new McpToolException(errors);
        }

        return Describe((await client.SearchAsync(Workspace, request, cancellationToken).ConfigureAwait(false)).Hits);
    }

    private async Task<string> AskAsync(IEnumerable<KeyValuePair<string, JsonElement>>? given, CancellationToken cancellationToken)
    {
        var arguments = new McpArguments("ask", given, "question");
        var question = arguments.Text("question", "the question");
        if (arguments.Errors() is { } errors)
        {
            throw new McpToolException(errors);
        }

        var answer = new StringBuilder();
        IReadOnlyList<SearchHit> sources = [];
        await foreach (var item in client.AskAsync(Workspace, new(question), cancellationToken).ConfigureAwait(false))
        {
            if (item.EventType == "error")
            {
                throw new McpToolException(item.Data.Text ?? "The answer broke off.");
            }

            sources = item.Data.Sources ?? sources;
            answer.Append(item is { EventType: "done", Data.Text: not null } ? "\n" : "").Append(item.Data.Text);
            foreach (var number in item.Data.Citations ?? [])
            {
                answer.Append(CultureInfo.InvariantCulture, $"\n[{number}] {sources[number - 1].DocumentId}: {sources[number - 1].Title}");
            }
        }

        return answer.ToString();
    }

    private static string Describe(IReadOnlyList<SearchHit> hits)
    {
        if (hits.Count == 0)
        {
            return "Nothing was found.";
        }

        var text = new StringBuilder();
        foreach (var hit in hits)
        {
            text.Append(CultureInfo.InvariantCulture, $"## {hit.DocumentId}: {hit.Title}\n");
            text.Append(hit.Heading.Length > 0 ? hit.Heading + "\n" : "");
            text.Append(CultureInfo.InvariantCulture, $"metadata: {hit.Metadata.GetRawText()}\n\n{hit.Text}\n\n");
        }

        return text.ToString();
    }
}

/// <summary>What the model has to read.</summary>
/// <param name="message">What is wrong, and what is expected.</param>
internal sealed class McpToolException(string message) : Exception(message);

/// <summary>A tool whose errors say what is wrong.</summary>
/// <param name="name">Its name.</param>
/// <param name="title">Its name for people.</param>
/// <param name="description">What it does.</param>
/// <param name="schema">The schema of its arguments.</param>
/// <param name="callAsync">Does it.</param>
internal sealed class McpTool(
    string name,
    string title,
    string description,
    JsonElement schema,
    Func<IEnumerable<KeyValuePair<string, JsonElement>>?, CancellationToken, Task<string>> callAsync) : McpServerTool
{
    /// <inheritdoc />
    public override Tool ProtocolTool { get; } = new()
    {
        Name = name,
        Title = title,
        Description = description,
        InputSchema = schema,
        Annotations = new() { Title = title, ReadOnlyHint = true },
    };

    /// <inheritdoc />
    public override IReadOnlyList<object> Metadata => [];

    /// <inheritdoc />
    public override async ValueTask<CallToolResult> InvokeAsync(RequestContext<CallToolRequestParams> request, CancellationToken cancellationToken = default)
    {
        try
        {
            return ToResult(await callAsync(request.Params?.Arguments, cancellationToken).ConfigureAwait(false), isError: false);
        }
        catch (RagApiException e)
        {
            // The fields say it all; the title only says that there are some.
            var fields = e.Errors.Select(error => $"{error.Key}: {string.Join(' ', error.Value)}");
            return ToResult(e.Errors.Count > 0 ? string.Join('\n', fields) : e.Message, isError: true);
        }
        catch (Exception e) when (e is McpToolException or HttpRequestException or TimeoutException or JsonException)
        {
            return ToResult(e.Message, isError: true);
        }
    }

    private static CallToolResult ToResult(string text, bool isError) => new() { Content = [new TextContentBlock { Text = text }], IsError = isError };
}
