using System.CommandLine.Completions;
using System.Text.Json;
using RagPlatform.Cli.Connections;

namespace RagPlatform.Cli.Completion;

/// <summary>What only the platform knows: names of workspaces and models. A platform that is away, or slow, completes nothing.</summary>
/// <param name="context">What every verb gets.</param>
internal sealed class RemoteCompletion(CliContext context)
{
    // Somebody has pressed a key.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    /// <summary>Names of workspaces.</summary>
    public IEnumerable<CompletionItem> Workspaces(CompletionContext completion) => Ask(
        () => context.Address(completion.ParseResult), "v1/workspaces?limit=100", "items", "name");

    /// <summary>Names of models.</summary>
    public IEnumerable<CompletionItem> Models(CompletionContext completion) => Ask(
        () => EmbeddingAddress.Find(
            context.Environment, null, completion.ParseResult.GetValue(context.Key), completion.ParseResult.GetValue(context.KeyFile)),
        "v1/models",
        "data",
        "id");

    private CompletionItem[] Ask(Func<ApiAddress> find, string path, string list, string member)
    {
        try
        {
            using var patience = new CancellationTokenSource(s_patience);
            using var http = context.CreateHttpClient(find());
            using var answer = JsonDocument.Parse(http.GetStringAsync(new Uri(path, UriKind.Relative), patience.Token).GetAwaiter().GetResult());
            return [.. answer.RootElement.GetProperty(list).EnumerateArray().Select(item => new CompletionItem(item.GetProperty(member).GetString() ?? ""))];
        }
        catch (Exception e) when (e is CliException or HttpRequestException or OperationCanceledException or TimeoutException
            or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return [];
        }
    }
}
