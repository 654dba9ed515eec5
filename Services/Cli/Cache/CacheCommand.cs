using System.CommandLine;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using RagPlatform.Cli.Connections;
using Spectre.Console;

namespace RagPlatform.Cli.Cache;

/// <summary><c>rag cache stats|invalidate|warm</c>, of the embedding service.</summary>
internal static class CacheCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var url = new Option<string?>("--embedding-url")
        {
            Description = "The embedding service. Else RAG_EMBEDDING_URL, else the local node's.",
            HelpName = "URL",
            Recursive = true,
        };
        return new Command("cache", "Look at the cache of vectors, empty it, and fill it.")
        {
            url,
            CreateStats(context, url),
            CreateInvalidate(context, url),
            CreateWarm(context, url),
        };
    }

    private static Command CreateStats(CliContext context, Option<string?> url)
    {
        var json = new Option<bool>("--json") { Description = "Print the service's own JSON." };
        var command = new Command("stats", "Entries, bytes, hits, misses and errors of each tier.") { json };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var report = await SendAsync(context, parse, url, HttpMethod.Get, "v1/cache", null, cancellationToken).ConfigureAwait(false);
            if (parse.GetValue(json))
            {
                context.Environment.Output.WriteLine(report.GetRawText());
                return;
            }

            var table = new Table().Border(TableBorder.Simple).AddColumn("tier").AddColumn("state");
            foreach (var column in (string[])["entries", "bytes", "hits", "misses", "errors", "corrupt", "oldest"])
            {
                table.AddColumn(new TableColumn(column).RightAligned());
            }

            foreach (var tier in report.GetProperty("tiers").EnumerateArray())
            {
                table.AddRow([
                    Text(tier, "name"), Text(tier, "state"),
                    .. ((string[])["entries", "bytes", "hits", "misses", "errors", "corrupt", "oldest"]).Select(column => Text(tier, column)),
                ]);
            }

            context.Environment.OutputConsole().Write(table);
        });
        return command;
    }

    private static Command CreateInvalidate(CliContext context, Option<string?> url)
    {
        var model = ModelOption();
        var text = new Option<string[]>("--text") { Description = "A text whose vector is removed; may be repeated.", HelpName = "TEXT" };
        var all = new Option<bool>("--all") { Description = "Every vector of --model." };
        var age = new Option<int?>("--older-than") { Description = "Vectors that were written longer ago, in hours.", HelpName = "HOURS" };
        var command = new Command("invalidate", "Remove vectors: by text, by model, or by age.") { model, text, all, age };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var request = new
            {
                model = parse.GetValue(model),
                texts = parse.GetValue(text) is { Length: > 0 } texts ? texts : null,
                all = parse.GetValue(all),
                olderThanSeconds = parse.GetValue(age) * 3600L,
            };
            var removed = await SendAsync(context, parse, url, HttpMethod.Post, "v1/cache/invalidate", request, cancellationToken).ConfigureAwait(false);
            context.Environment.Output.WriteLine(
                $"Removed {Text(removed, "l1")} from memory, {Text(removed, "l2")} from Valkey, {Text(removed, "l3")} from PostgreSQL.");
        });
        return command;
    }

    private static Command CreateWarm(CliContext context, Option<string?> url)
    {
        var model = ModelOption();
        var file = new Option<string?>("--file") { Description = "Texts, one a line; they are embedded where they are not cached.", HelpName = "FILE" };
        var workspace = new Option<string?>("--workspace", "-w") { Description = "The workspace: its most frequent queries without --file, else whom the texts cost.", HelpName = "NAME" };
        var limit = new Option<int>("--limit") { Description = "Frequent queries, at most.", HelpName = "N", DefaultValueFactory = _ => 1_000 };
        var command = new Command("warm", "Bring texts, or a workspace's most frequent queries, into memory.") { model, file, workspace, limit };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var lines = parse.GetValue(file) is { } path
                ? (await File.ReadAllLinesAsync(context.Environment.FullPath(path), cancellationToken).ConfigureAwait(false)).Where(line => line.Length > 0).ToArray()
                : null;
            foreach (var part in lines?.Chunk(100) ?? [null!])
            {
                var request = new { model = parse.GetValue(model), texts = part, workspace = parse.GetValue(workspace), limit = parse.GetValue(limit) };
                var warmed = await SendAsync(context, parse, url, HttpMethod.Post, "v1/cache/warm", request, cancellationToken).ConfigureAwait(false);
                context.Environment.Output.WriteLine(
                    $"{Text(warmed, "requested")} asked for: {Text(warmed, "l1")} were in memory, {Text(warmed, "l2")} came from Valkey, {Text(warmed, "l3")} from PostgreSQL, "
                    + $"{Text(warmed, "source")} from the provider, {Text(warmed, "missing")} are not cached.");
            }
        });
        return command;
    }

    private static Option<string?> ModelOption() => new("--model") { Description = "The model; else the default one.", HelpName = "MODEL" };

    private static async Task<JsonElement> SendAsync(
        CliContext context, ParseResult parse, Option<string?> url, HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        var address = EmbeddingAddress.Find(context.Environment, parse.GetValue(url), parse.GetValue(context.Key), parse.GetValue(context.KeyFile));
        using var http = context.CreateHttpClient(address);
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        using var response = await http.SendAsync(request, cancellationToken).ConfigureAwait(false);
        var answer = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
        if (response.IsSuccessStatusCode)
        {
            return JsonSerializer.Deserialize<JsonElement>(answer);
        }

        throw new CliException(Message(answer) ?? string.Create(CultureInfo.InvariantCulture, $"the embedding service answered {(int)response.StatusCode}."));
    }

    private static string? Message(string answer)
    {
        try
        {
            return JsonSerializer.Deserialize<JsonElement>(answer).GetProperty("error").GetProperty("message").GetString();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name) is { ValueKind: not JsonValueKind.Null } value
        ? Markup.Escape(value.ValueKind == JsonValueKind.Number ? value.GetDecimal().ToString("#,0", CultureInfo.InvariantCulture) : value.ToString())
        : "";
}
