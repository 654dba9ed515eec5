using System.Diagnostics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.LocalServers;
using StackExchange.Redis;

namespace RagPlatform.Integration.Tests.ServiceDefaults;

/// <summary>
/// A real Valkey comes, goes and hangs; the one who asks it never waits longer than it may take, and never sees an error.
/// </summary>
public sealed class CacheOutageTests : IAsyncLifetime
{
    // Generous: the machine may be busy. Without a limit a hanging Valkey holds its caller for ever.
    private static readonly TimeSpan s_commandTimeout = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_recoveryLimit = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-tests-");
    private readonly string _program = Requirements.NeedValkey();
    private LocalValkey _valkey = null!;
    private IHost _host = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private CacheConnection Cache => _host.Services.GetRequiredService<CacheConnection>();

    public async ValueTask InitializeAsync()
    {
        _valkey = await LocalValkey.StartAsync(
            _program, new LocalValkeyOptions(
                Path.Combine(_folder.FullName, "valkey"), "secret", Durable: false), NullLogger.Instance, Cancellation);
        _host = await StartHostAsync();
        await UntilAnsweredAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync(CancellationToken.None);
        _host.Dispose();
        await _valkey.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Try_RealValkey_ReadsWhatWasWritten()
    {
        Assert.True(await Cache.TryAsync(database => database.StringSetAsync("key", "value"), Cancellation));

        Assert.Equal("value", await Cache.TryAsync(database => database.StringGetAsync("key"), Cancellation));
        Assert.Equal(HealthStatus.Healthy, await HealthAsync());
    }

    [Fact]
    public async Task Try_ValkeyIsStoppedAndStarted_MissesAndThenAnswersAgain()
    {
        await _valkey.StopAsync();

        for (var i = 0; i < 20; i++)
        {
            var (answered, _) = await Cache.TryGetAsync(database => database.StringGetAsync("key"), Cancellation);
            Assert.False(answered);
        }

        Assert.Equal(HealthStatus.Degraded, await HealthAsync());

        await _valkey.StartAgainAsync(Cancellation);
        await UntilAnsweredAsync();
    }

    [Fact]
    public async Task Try_ValkeyHangs_CostsTheTimeLimitAndThenNothing()
    {
        await SignalAsync("STOP");
        try
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < 200; i++)
            {
                Assert.False((await Cache.TryGetAsync(database => database.StringGetAsync("key"), Cancellation)).Answered);
            }

            // 200 commands that each waited would take 40 seconds. The breaker lets one through a second.
            Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(10));
        }
        finally
        {
            await SignalAsync("CONT");
        }

        await UntilAnsweredAsync();
    }

    [Fact]
    public async Task Start_ValkeyIsAway_DoesNotWaitForItAndUsesItOnceItIsThere()
    {
        await _valkey.StopAsync();
        await _host.StopAsync(Cancellation);
        _host.Dispose();

        var start = Stopwatch.GetTimestamp();
        _host = await StartHostAsync();

        // An attempt to connect may take 2 seconds; the start is not to be one of those who wait for it.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(1.5));
        await _valkey.StartAgainAsync(Cancellation);
        await UntilAnsweredAsync();
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("[::1]")]
    public async Task Start_AddressWithUserPasswordAndDatabase_LogsIn(string server)
    {
        var everyCharacter = string.Concat(Enumerable.Range(33, 94).Select(i => (char)i));
        await using (var admin = await ConnectionMultiplexer.ConnectAsync(_valkey.ConnectionString + ",allowAdmin=true"))
        {
            await admin.GetDatabase().ExecuteAsync("CONFIG", "SET", "bind", "127.0.0.1 ::1");
            await admin.GetDatabase().ExecuteAsync("ACL", "SETUSER", "app", "reset", "on", $">{everyCharacter}", "~*", "&*", "+@all");
        }

        await _host.StopAsync(Cancellation);
        _host.Dispose();

        _host = await StartHostAsync($"redis://app:{Uri.EscapeDataString(everyCharacter)}@{server}:{_valkey.Port}/3");

        await UntilAnsweredAsync();
        Assert.Equal("app", (string?)await Cache.TryAsync(database => database.ExecuteAsync("ACL", "WHOAMI"), Cancellation));
        Assert.Contains("db=3", (string?)await Cache.TryAsync(database => database.ExecuteAsync("CLIENT", "INFO"), Cancellation), StringComparison.Ordinal);
    }

    private async Task<IHost> StartHostAsync(string? address = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:cache"] = address is null ? _valkey.ConnectionString : null,
            ["REDIS_URL"] = address,
            ["Cache:CommandTimeout"] = s_commandTimeout.ToString(),
        });
        builder.Services.AddSingleton(TimeProvider.System);
        builder.AddRagCache();
        var host = builder.Build();
        await host.StartAsync(Cancellation);
        return host;
    }

    private async Task<HealthStatus> HealthAsync() =>
        (await _host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Cancellation)).Status;

    private async Task UntilAnsweredAsync()
    {
        var start = Stopwatch.GetTimestamp();
        while (!(await Cache.TryGetAsync(database => database.PingAsync(), Cancellation)).Answered)
        {
            Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, s_recoveryLimit);
            await Task.Delay(20, Cancellation);
        }
    }

    private async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{_valkey.ProcessId}"]);
        await kill.WaitForExitAsync(Cancellation);
        Assert.Equal(0, kill.ExitCode);
    }
}
