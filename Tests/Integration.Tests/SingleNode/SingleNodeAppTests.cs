using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode;

namespace RagPlatform.Integration.Tests.SingleNode;

public sealed class SingleNodeAppTests
{
    private readonly Backends _backends;

    public SingleNodeAppTests(Backends backends)
    {
        _backends = backends;
        Requirements.NeedPostgres();
        Requirements.NeedValkey();
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Start_TemporaryFolder_EveryServiceIsHealthyAndNothingIsLeftBehind()
    {
        var node = await SingleNodeApp.StartAsync(new SingleNodeOptions { Durable = false }, Cancelled);
        var (folder, postgres, valkey) = (node.DataFolder, node.Postgres!.ProcessId!.Value, node.Valkey!.ProcessId!.Value);
        await using (node)
        {
            using var http = new HttpClient();
            foreach (var address in (Uri[])[node.ApiAddress, node.DashboardAddress, node.EmbeddingAddress, node.WorkerAddress])
            {
                Assert.Equal(HttpStatusCode.OK, (await http.GetAsync(new Uri(address, "health"), Cancelled)).StatusCode);
            }

            using var state = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "node.json"), Cancelled));
            Assert.Equal(Environment.ProcessId, state.RootElement.GetProperty("processId").GetInt32());
            Assert.Equal(node.ApiAddress, new Uri(state.RootElement.GetProperty("api").GetString()!));
            Assert.StartsWith("rag_", node.AdminKey, StringComparison.Ordinal);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Mode(node.AdminKeyFile));

            // A server that crashed is another process soon, and the file says which.
            node.Valkey.Crash();
            var since = Stopwatch.StartNew();
            while (ReadValkey(folder) == valkey && since.Elapsed < TimeSpan.FromSeconds(30))
            {
                await Task.Delay(100, Cancelled);
            }

            Assert.NotEqual(valkey, ReadValkey(folder));
            Assert.Equal(node.Valkey.ProcessId, ReadValkey(folder));
        }

        Assert.False(Directory.Exists(folder));
        Assert.False(Directory.Exists($"/proc/{postgres}/cwd"));
        Assert.False(Directory.Exists($"/proc/{valkey}/cwd"));
    }

    [Fact]
    public async Task Start_WithoutValkey_RunsOnlyWithoutTheCache()
    {
        await using var node = await SingleNodeApp.StartAsync(new SingleNodeOptions { Durable = false, UseValkey = false }, Cancelled);
        using var http = new HttpClient();

        Assert.Null(node.ValkeyConnectionString);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync(new Uri(node.ApiAddress, "health"), Cancelled)).StatusCode);
    }

    [Fact]
    public async Task Start_FolderOfALiveNode_IsRefusedByName()
    {
        var folder = Directory.CreateTempSubdirectory("rag-tests-");
        try
        {
            var options = new SingleNodeOptions { DataFolder = folder.FullName, Durable = false };
            await using (var first = await SingleNodeApp.StartAsync(options, Cancelled))
            {
                var error = await Assert.ThrowsAsync<SingleNodeException>(
                    () => SingleNodeApp.StartAsync(options, Cancelled));

                Assert.Equal(SingleNodeExit.DataFolder, error.Exit);
                Assert.Contains($"in use by process {Environment.ProcessId} ({first.ApiAddress})", error.Message, StringComparison.Ordinal);
                Assert.True(File.Exists(Path.Combine(folder.FullName, "node.json")));
            }

            Assert.False(File.Exists(Path.Combine(folder.FullName, "node.json")));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Start_OccupiedPort_NamesThePortAndTheOption()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;

        var error = await Assert.ThrowsAsync<SingleNodeException>(
            () => SingleNodeApp.StartAsync(new SingleNodeOptions { DashboardPort = port }, Cancelled));

        Assert.Equal(SingleNodeExit.PortOccupied, error.Exit);
        Assert.Contains($"Port {port}", error.Message, StringComparison.Ordinal);
        Assert.Contains("--dashboard-port", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Host=127.0.0.1;Port=1;Username=nobody;Database=none")]
    [InlineData("no connection string")]
    public async Task Start_DatabaseThatCannotBeReached_SaysSoInOneLine(string connectionString)
    {
        var error = await Assert.ThrowsAsync<SingleNodeException>(
            () => SingleNodeApp.StartAsync(new SingleNodeOptions { Postgres = connectionString, UseValkey = false }, Cancelled));

        Assert.Equal(SingleNodeExit.Failed, error.Exit);
        Assert.Contains("RAG_POSTGRES", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task Start_DatabaseAndCacheThatExist_AreUsedAndNoServerIsStarted()
    {
        var (cache, _) = _backends.ReserveCache();
        var options = new SingleNodeOptions { Postgres = await _backends.CreateDatabaseAsync(migrated: false), Valkey = cache };

        await using var node = await SingleNodeApp.StartAsync(options, Cancelled);

        Assert.Null(node.Postgres);
        Assert.Null(node.Valkey);
        var client = RagClient.Create(node.ApiAddress, node.AdminKey);
        Assert.Equal("here", (await client.CreateWorkspaceAsync(new WorkspaceCreate("here"), Cancelled)).Name);
    }

    private static int ReadValkey(string folder)
    {
        using var state = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "node.json")));
        return state.RootElement.GetProperty("valkey").GetProperty("processId").GetInt32();
    }

    private static UnixFileMode Mode(string path) =>
        OperatingSystem.IsWindows() ? throw new PlatformNotSupportedException() : File.GetUnixFileMode(path);
}
