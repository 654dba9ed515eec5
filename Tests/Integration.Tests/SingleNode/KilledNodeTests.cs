using System.Diagnostics;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode;
using RagPlatform.LocalServers;

namespace RagPlatform.Integration.Tests.SingleNode;

/// <summary>The node as a process of its own, killed by SIGKILL in the middle of its work.</summary>
public sealed class KilledNodeTests : IDisposable
{
    private const string Workspace = "killed";
    private const int BatchSize = 50;

    private readonly DirectoryInfo _folder;

    public KilledNodeTests()
    {
        Requirements.NeedPostgres();
        _folder = Directory.CreateTempSubdirectory("rag-tests-");
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Kill_WhileIngesting_EveryAcceptedDocumentBecomesSearchableOnce()
    {
        var accepted = new List<string>();
        using (var first = await StartAsync())
        {
            var client = Connect();
            await client.CreateWorkspaceAsync(new WorkspaceCreate(Workspace), Cancelled);
            for (var batch = 0; batch < 4; batch++)
            {
                accepted.AddRange(await PutAsync(client, batch));
            }

            // One more is on its way when the node dies: accepted or not, it may not be half there.
            var last = PutAsync(client, 4);
            first.Kill();
            await first.WaitForExitAsync(Cancelled);
            accepted.AddRange(await last.ContinueWith(put => put.IsCompletedSuccessfully ? put.Result : [], TaskScheduler.Default));
        }

        using var second = await StartAsync();
        var again = Connect();
        var status = await EventuallyIdleAsync(again);

        Assert.Equal((0L, 0L), (status.Retrying, status.DeadLettered));
        // Each of these texts is one passage.
        Assert.Equal(status.Documents, status.Chunks);
        Assert.True(status.Documents is 4 * BatchSize or 5 * BatchSize, $"{status.Documents} documents: a batch is half there.");
        foreach (var id in accepted)
        {
            Assert.Equal(IndexingState.Indexed, (await again.FindDocumentIndexingAsync(Workspace, id, Cancelled))?.State);
        }

        var found = await again.SearchAsync(Workspace, new SearchRequest("marker199", SearchMode.Keyword), Cancelled);
        Assert.Equal("document-199", Assert.Single(found.Hits).DocumentId);
        await StopAsync(second);
    }

    [Fact]
    public async Task Terminate_ARunningNode_StopsItsServersAndSaysSoByExitCode()
    {
        using var node = await StartAsync();
        using var state = State();
        var postgres = state.RootElement.GetProperty("postgres").GetProperty("processId").GetInt32();

        await StopAsync(node);

        Assert.Equal((int)SingleNodeExit.Stopped, node.ExitCode);
        Assert.False(Directory.Exists($"/proc/{postgres}/cwd"));
        Assert.False(File.Exists(Path.Combine(_folder.FullName, "node.json")));
    }

    private static async Task<IReadOnlyList<string>> PutAsync(RagClient client, int batch)
    {
        BatchDocument[] documents =
        [
            .. Enumerable.Range(batch * BatchSize, BatchSize).Select(number => new BatchDocument(
                $"document-{number}", $"# Document {number}\n\nThe only text with marker{number}.\n\nIt is about {number % 7} rivers.")),
        ];
        var result = await client.PutDocumentsAsync(Workspace, documents, cancellationToken: Cancelled);
        return [.. result.Documents.Select(document => document.Id)];
    }

    private static async Task<WorkspaceIndexing> EventuallyIdleAsync(RagClient client)
    {
        var since = Stopwatch.StartNew();
        while (true)
        {
            var status = await client.GetIndexingAsync(Workspace, Cancelled);
            if ((status.Queued == 0 && status.Retrying == 0) || since.Elapsed > TimeSpan.FromMinutes(3))
            {
                return status;
            }

            await Task.Delay(200, Cancelled);
        }
    }

    private static async Task StopAsync(Process node)
    {
        Unix.Send(node.Id, Unix.Terminate);
        await node.WaitForExitAsync(Cancelled);
    }

    // The built node, as `dotnet run` starts it.
    private async Task<Process> StartAsync()
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])
            [
                typeof(SingleNodeApp).Assembly.Location, "--data", _folder.FullName, "--port", "0", "--dashboard-port", "0",
                "--embedding-port", "0", "--worker-port", "0", "--log", "Warning",
            ])
        {
            start.ArgumentList.Add(argument);
        }

        var node = Process.Start(start)!;
        // It prints its addresses when it is ready; nothing at all when it ends before.
        while (await node.StandardOutput.ReadLineAsync(Cancelled) is { } line)
        {
            if (line.StartsWith("Admin key", StringComparison.Ordinal))
            {
                return node;
            }
        }

        throw new InvalidOperationException(await node.StandardError.ReadToEndAsync(Cancelled));
    }

    private JsonDocument State() => JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder.FullName, "node.json")));

    private RagClient Connect()
    {
        using var state = State();
        var key = File.ReadAllText(Path.Combine(_folder.FullName, "admin.key")).Trim();
        return RagClient.Create(new Uri(state.RootElement.GetProperty("api").GetString()!), key);
    }
}
