using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.LocalServers;

namespace RagPlatform.Integration.Tests.SingleNode;

public sealed class LocalValkeyTests : IDisposable
{
    private readonly string _program = Requirements.NeedValkey();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-tests-");

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Start_NewFolder_AnswersOnlyWithThePassword()
    {
        await using var valkey = await StartAsync();

        Assert.Equal("+PONG", await AskAsync(valkey, "AUTH secret", "PING"));
        Assert.StartsWith("-NOAUTH", await AskAsync(valkey, "PING"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_AfterStop_HasTheCacheThatWasSaved()
    {
        await using (var first = await StartAsync())
        {
            Assert.Equal("+OK", await AskAsync(first, "AUTH secret", "SET key kept"));
        }

        await using var second = await StartAsync();

        Assert.Equal("$4", await AskAsync(second, "AUTH secret", "GET key"));
    }

    [Fact]
    public async Task Crash_OfTheServer_IsStartedAgainOnTheSamePort()
    {
        await using var valkey = await StartAsync();
        var crashed = valkey.ProcessId;

        valkey.Crash();

        var since = Stopwatch.StartNew();
        while ((valkey.ProcessId is null || valkey.ProcessId == crashed) && since.Elapsed < TimeSpan.FromSeconds(20))
        {
            await Task.Delay(50, Cancelled);
        }

        await valkey.StopAsync();
        await valkey.StartAgainAsync(Cancelled);
        Assert.Equal("+PONG", await AskAsync(valkey, "AUTH secret", "PING"));
        Assert.NotEqual(crashed, valkey.ProcessId);
    }

    [Fact]
    public async Task Start_SavedCacheIsDamaged_StartsEmpty()
    {
        await (await StartAsync()).DisposeAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "dump.rdb"), "no cache at all", Cancelled);

        await using var valkey = await StartAsync();

        Assert.Equal("$-1", await AskAsync(valkey, "AUTH secret", "GET key"));
    }

    [Fact]
    public async Task CommandLine_OfTheServer_DoesNotShowThePassword()
    {
        await using var valkey = await StartAsync();

        var arguments = await File.ReadAllTextAsync($"/proc/{valkey.ProcessId}/cmdline", Cancelled);

        Assert.Contains("valkey-server", arguments, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", arguments, StringComparison.Ordinal);
    }

    // The answer's first line to the last of the commands.
    private static async Task<string?> AskAsync(LocalValkey valkey, params string[] commands)
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", valkey.Port, Cancelled);
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream);
        string? answer = null;
        foreach (var command in commands)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(command + "\r\n"), Cancelled);
            answer = await reader.ReadLineAsync(Cancelled);
        }

        return answer;
    }

    private Task<LocalValkey> StartAsync() =>
        LocalValkey.StartAsync(_program, new LocalValkeyOptions(_folder.FullName, "secret"), NullLogger.Instance, Cancelled);
}
