using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode;

namespace RagPlatform.Integration.Tests.SingleNode;

public sealed class SingleNodeAppTests
{
    public SingleNodeAppTests()
    {
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
            await using (var first = await SingleNodeApp.StartAsync(new SingleNodeOptions { DataFolder = folder.FullName, Durable = false }, Cancelled))
            {
                var error = await Assert.ThrowsAsync<SingleNodeException>(
                    () => SingleNodeApp.StartAsync(new SingleNodeOptions { DataFolder = folder.FullName }, Cancelled));

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

    private static UnixFileMode Mode(string path) =>
        OperatingSystem.IsWindows() ? throw new PlatformNotSupportedException() : File.GetUnixFileMode(path);
}
