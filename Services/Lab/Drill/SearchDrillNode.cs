using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using RagPlatform.Cli.Connections;
using RagPlatform.Contracts;
using RagPlatform.Lab.Bench;
using RagPlatform.SearchApi;

namespace RagPlatform.Lab.Drill;

/// <summary>
/// A temporary instance with a second replica of the search API, and workspaces whose documents are random but have the same ids everywhere, so that
/// a mix-up would show.
/// </summary>
internal sealed class SearchDrillNode : IAsyncDisposable
{
    /// <summary>Workspaces.</summary>
    public const int Workspaces = 4;

    /// <summary>Documents of each: a page can show them all.</summary>
    public const int Documents = 200;

    private static readonly string[] s_words =
        ["wing", "flap", "strut", "rudder", "boundary", "layer", "laminar", "shock", "heat", "nozzle", "thrust", "panel", "flutter", "drag"];

    private readonly WebApplication _replica;
    private readonly HttpClient _http;

    private SearchDrillNode(EphemeralNode node, WebApplication replica, HttpClient http)
    {
        (_replica, _http) = (replica, http);
        Replicas = [node.Client, new RagClient(http)];
    }

    /// <summary>The two replicas.</summary>
    public RagClient[] Replicas { get; }

    /// <summary>The metadata of each workspace's documents, by id.</summary>
    public IReadOnlyDictionary<string, JsonElement>[] Metadata { get; } = new IReadOnlyDictionary<string, JsonElement>[Workspaces];

    /// <summary>The name of a workspace.</summary>
    public static string Name(int workspace) => "drill-" + workspace.ToString(CultureInfo.InvariantCulture);

    /// <summary>A word that each document of a workspace has, and none of another.</summary>
    public static string Secret(int workspace) => "secret" + (char)('a' + workspace);

    /// <summary>Some words.</summary>
    public static string Words(Random random, int count) => string.Join(' ', random.GetItems(s_words, count));

    /// <summary>Starts the replica, and puts the documents.</summary>
    public static async Task<SearchDrillNode> StartAsync(BenchContext bench)
    {
        var node = await bench.StartNodeAsync(new() { LogLevel = LogLevel.Error, Durable = false }).ConfigureAwait(false);
        var replica = SearchApiApp.Build(["--applicationName=RagPlatform.SearchApi"], builder =>
        {
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:ragdb"] = node.App.PostgresConnectionString,
                ["ConnectionStrings:cache"] = node.App.ValkeyConnectionString,
                ["services:embedding-service:http:0"] = node.App.EmbeddingAddress.ToString(),
                ["Auth:AdminKey"] = node.App.AdminKey,
                ["Auth:AdminKeyFile"] = "",
            });
        });
        await replica.StartAsync(bench.CancellationToken).ConfigureAwait(false);
        var http = bench.Run.Context.CreateHttpClient(new ApiAddress(new(replica.Urls.First()), node.App.AdminKey));
        var drill = new SearchDrillNode(node, replica, http);
        for (var i = 0; i < Workspaces; i++)
        {
            await drill.PutAsync(bench, i).ConfigureAwait(false);
        }

        return drill;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _replica.StopAsync().ConfigureAwait(false);
        await _replica.DisposeAsync().ConfigureAwait(false);
    }

    private async Task PutAsync(BenchContext bench, int workspace)
    {
        var documents = Enumerable.Range(0, Documents).Select(i => new BatchDocument(
            "d" + i.ToString(CultureInfo.InvariantCulture),
            Title: Words(bench.Random, 3),
            Text: $"{Words(bench.Random, 12)} {Secret(workspace)} {Words(bench.Random, 12)}.",
            Metadata: JsonElement.Parse(FilterOracle.RandomMetadata(bench.Random)))).ToList();
        await Replicas[0].CreateWorkspaceAsync(new(Name(workspace)), bench.CancellationToken).ConfigureAwait(false);
        await Replicas[0].PutDocumentsAsync(Name(workspace), documents, TimeSpan.FromSeconds(60), bench.CancellationToken).ConfigureAwait(false);
        Metadata[workspace] = documents.ToDictionary(d => d.Id, d => d.Metadata!.Value, StringComparer.Ordinal);
        while (await Replicas[0].GetIndexingAsync(Name(workspace), bench.CancellationToken).ConfigureAwait(false) is { } status
            && status.Queued + status.Retrying > 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }
    }
}
