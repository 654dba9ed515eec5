using System.Net.Http.Json;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Integration.Tests.Indexing;

/// <summary>
/// What a rolling restart does, with every service in a process of its own: there, connections are refused and broken as they are in one process never.
/// </summary>
public sealed class ProcessOutageTests(ProcessOutageTests.Platform platform) : IClassFixture<ProcessOutageTests.Platform>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Put_TheEmbeddingServiceIsKilledForAWhile_NoDocumentLosesAnAttemptAndTheStatusSaysWhy()
    {
        var (client, _) = await platform.GetAsync();
        await client.CreateWorkspaceAsync(new("killed", Model: "hashing"), Cancellation);
        await platform.Embedding.KillAsync();
        for (var i = 0; i < 5; i++)
        {
            await client.PutDocumentAsync("killed", $"d{i}", new($"Text {i}."), cancellationToken: Cancellation);
        }

        // Longer than three attempts took: 2 s, 4 s.
        var indexing = await WaitAsync(client, "killed", s => s.Rests?.Any(r => r.Cause == "unreachable") == true);
        await Task.Delay(TimeSpan.FromSeconds(2), Cancellation);
        for (var i = 0; i < 5; i++)
        {
            var status = (await client.FindDocumentIndexingAsync("killed", $"d{i}", Cancellation))!;
            Assert.Equal(IndexingState.Queued, status.State);
            Assert.Empty(status.Attempts);
            Assert.Contains(status.Rests!, r => r.Cause == "unreachable");
        }

        Assert.Equal(5, indexing.Queued);
        platform.Embedding.Start();
        indexing = await WaitAsync(client, "killed", s => s.Queued == 0);
        Assert.Equal((5, 0, 0), (indexing.Chunks, indexing.DeadLettered, indexing.Retrying));
        Assert.Null(indexing.Rests);
    }

    [Fact]
    public async Task Put_TheEmbeddingServiceIsKilledWhileItEmbeds_TheDocumentIsIndexedOnceItIsBack()
    {
        var (client, provider) = await platform.GetAsync();
        await client.CreateWorkspaceAsync(new("amid", Model: Platform.Model), Cancellation);
        var asked = new TaskCompletionSource();
        provider.Script = _ =>
        {
            asked.TrySetResult();
            return new(Latency: TimeSpan.FromSeconds(30));
        };
        await client.PutDocumentAsync("amid", "d", new("A text."), cancellationToken: Cancellation);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancellation);
        await platform.Embedding.KillAsync();
        provider.Script = _ => new();
        platform.Embedding.Start();

        var indexing = await WaitAsync(client, "amid", s => s.Queued == 0);
        Assert.Equal((1, 0, 0), (indexing.Chunks, indexing.DeadLettered, indexing.Retrying));
    }

    [Fact]
    public async Task Put_TheWorkerIsKilledAndStartedAgain_TheQueueGoesOn()
    {
        var (client, _) = await platform.GetAsync();
        await client.CreateWorkspaceAsync(new("worker", Model: "hashing"), Cancellation);
        await platform.Worker.KillAsync();
        await client.PutDocumentAsync("worker", "d", new("A text."), cancellationToken: Cancellation);
        platform.Worker.Start();

        Assert.Equal(1, (await WaitAsync(client, "worker", s => s.Queued == 0)).Chunks);
    }

    [Fact]
    public async Task Put_ABudgetIsSpent_TheStatusSaysUntilWhenAndOthersGoOn()
    {
        var (client, _) = await platform.GetAsync();
        await client.CreateWorkspaceAsync(new("poor", Model: "hashing"), Cancellation);
        await client.CreateWorkspaceAsync(new("rich", Model: "hashing"), Cancellation);
        await platform.SetBudgetAsync("poor", tokens: 1);
        await client.PutDocumentAsync("poor", "d", new("A text of more than one token."), cancellationToken: Cancellation);
        var indexing = await WaitAsync(client, "poor", s => s.Rests is not null);

        var rest = Assert.Single(indexing.Rests!);
        Assert.Equal("budget", rest.Cause);
        Assert.Contains("begins anew at", rest.Message, StringComparison.Ordinal);
        await client.PutDocumentAsync("rich", "d", new("A text of more than one token."), cancellationToken: Cancellation);
        await WaitAsync(client, "rich", s => s.Queued == 0);

        // The same text is in the cache now, and costs nothing; so another one.
        await client.PutDocumentAsync("poor", "e", new("Something else that nobody has embedded."), cancellationToken: Cancellation);
        await platform.SetBudgetAsync("poor", tokens: 1_000_000);
        indexing = await WaitAsync(client, "poor", s => s.Queued == 0);
        Assert.Equal((2, 0), (indexing.Chunks, indexing.DeadLettered));
    }

    private static async Task<WorkspaceIndexing> WaitAsync(RagClient client, string workspace, Func<WorkspaceIndexing, bool> isSo)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        while (true)
        {
            if (await client.GetIndexingAsync(workspace, limit.Token) is var indexing && isSo(indexing))
            {
                return indexing;
            }

            await Task.Delay(50, limit.Token);
        }
    }

    /// <summary>The services in processes of their own, over a database, without Valkey, and with a scripted provider.</summary>
    public sealed class Platform(Backends backends) : IAsyncDisposable
    {
        public const string Model = "text-embedding-3-small";
        private const string AdminKey = "the-admin-key-of-these-processes";

        private ScriptedEmbeddingServer? _provider;
        private ServiceProcess? _embedding;
        private ServiceProcess? _worker;
        private ServiceProcess? _api;
        private HttpClient? _http;

        internal ServiceProcess Embedding => _embedding!;

        internal ServiceProcess Worker => _worker!;

        /// <summary>A client, once all are ready.</summary>
        internal async Task<(RagClient Client, ScriptedEmbeddingServer Provider)> GetAsync()
        {
            if (_api is null)
            {
                (string, string)[] common =
                [
                    ("ConnectionStrings__ragdb", backends.AreThere ? await backends.CreateDatabaseAsync() : throw backends.Missing()),
                    ("Auth__AdminKey", AdminKey),
                    ("Logging__LogLevel__Default", "Warning"),
                ];
                _provider = await ScriptedEmbeddingServer.StartAsync();
                _embedding = ServiceProcess.Start(
                    "EmbeddingService",
                    [.. common, ("OPENAI_BASE_URL", _provider.Address.ToString()), ("OPENAI_API_KEY", "x"), ("Embedding__Canary__Enabled", "false")]);
                common = [.. common, ("services__embedding-service__http__0", _embedding.Address.ToString())];
                _worker = ServiceProcess.Start("IndexingWorker", [.. common, ("Indexing__Lease", "00:00:02")]);
                _api = ServiceProcess.Start(
                    "SearchApi", [.. common, ("services__indexing-worker__http__0", _worker.Address.ToString())]);
                _http = new HttpClient { BaseAddress = _api.Address };
                _http.DefaultRequestHeaders.Authorization = new("Bearer", AdminKey);
                await _api.WaitUntilReadyAsync(Cancellation);
            }

            await Embedding.WaitUntilReadyAsync(Cancellation);
            await Worker.WaitUntilReadyAsync(Cancellation);
            return (new(_http!), _provider!);
        }

        internal async Task SetBudgetAsync(string workspace, long tokens)
        {
            using var http = new HttpClient { BaseAddress = Embedding.Address };
            http.DefaultRequestHeaders.Authorization = new("Bearer", AdminKey);
            using var answer = await http.PutAsJsonAsync(
                "v1/budgets", new { workspace, period = "day", hard = true, limitTokens = tokens }, Cancellation);
            answer.EnsureSuccessStatusCode();
        }

        public async ValueTask DisposeAsync()
        {
            _http?.Dispose();
            foreach (var process in new[] { _api, _worker, _embedding })
            {
                await (process?.DisposeAsync() ?? ValueTask.CompletedTask);
            }

            await (_provider?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }
}
