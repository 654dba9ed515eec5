using System.Net.Http.Json;
using Microsoft.Extensions.Logging.Abstractions;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.SingleNode.Servers;

namespace RagPlatform.Integration.Tests.Embedding;

/// <summary>Servers of its own, because they are stopped in the middle.</summary>
public sealed class OutageTests : IAsyncLifetime
{
    private const int Stop = 19;
    private const int Continue = 18;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-tests-");
    private ScriptedEmbeddingServer _provider = null!;
    private LocalValkey? _valkey;
    private LocalPostgres? _postgres;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _provider = await ScriptedEmbeddingServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await (_valkey?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_postgres?.DisposeAsync() ?? ValueTask.CompletedTask);
        await _provider.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Embed_ValkeyAndPostgresArePaused_NoRequestFailsAndTheyComeBack()
    {
        var program = Requirements.NeedValkey();
        Requirements.NeedPostgres();
        _valkey = await LocalValkey.StartAsync(
            program, new LocalValkeyOptions(Path.Combine(_folder.FullName, "valkey"), "secret", Durable: false), NullLogger.Instance, Token);
        _postgres = await LocalPostgres.StartAsync(
            new LocalPostgresOptions(Path.Combine(_folder.FullName, "postgres"), "secret", Durable: false), NullLogger.Instance, Token);
        await using var replica = await Replica.StartAsync(
            _provider, _postgres.ConnectionString, _valkey.ConnectionString, "outage",
            ("Cache:CommandTimeout", "00:00:00.020"), ("Embedding:Cache:DurableTimeout", "00:00:00.025"));
        var before = await RunAsync(replica, "before", 50);

        // All connections of PostgreSQL are processes of their own: those have to be paused too.
        var processes = ServerProcesses(_postgres.ProcessId!.Value).Append(_valkey.ProcessId!.Value).ToArray();
        Signal(Stop, processes);
        double[] paused;
        try
        {
            paused = await RunAsync(replica, "paused", 200);
        }
        finally
        {
            Signal(Continue, processes);
        }

        var (normal, p90) = (P90(before), P90(paused));
        Assert.True(p90 < 100 + (2 * normal), $"p90 {p90:0.0} ms, normally {normal:0.0} ms");
        var isBack = false;
        for (var i = 0; i < 100 && !isBack; i++)
        {
            await Task.Delay(i == 0 ? 0 : 100, Token);
            isBack = await WarmAgainAsync(replica, i);
        }

        Assert.True(isBack);

        static double P90(double[] durations) => durations.Order().ElementAt((int)(durations.Length * 0.9));
    }

    [Fact]
    public async Task Embed_PostgresIsStopped_OnlyHardBudgetsAreRefusedAndNoUsageIsLost()
    {
        Requirements.NeedPostgres();
        _postgres = await LocalPostgres.StartAsync(
            new LocalPostgresOptions(Path.Combine(_folder.FullName, "postgres"), "secret", Durable: false), NullLogger.Instance, Token);
        await using var replica = await Replica.StartAsync(_provider, _postgres.ConnectionString, null, "outage");
        using var put = await replica.Http.PutAsJsonAsync("/v1/budgets", new { workspace = "strict", period = "month", hard = true, limitMicroDollars = 1_000 }, Token);
        Assert.True(put.IsSuccessStatusCode);
        Assert.Equal(200, (await replica.EmbedAsync(["one"], ("x-rag-workspace", "strict"))).Status);

        await _postgres.StopAsync();
        var refused = await replica.EmbedAsync(["two"], ("x-rag-workspace", "strict"));
        var cached = await replica.EmbedAsync(["one"], ("x-rag-workspace", "strict"));
        var free = await replica.EmbedAsync(["three"], ("x-rag-workspace", "free"));
        using var report = await replica.Http.GetAsync("/v1/cache", Token);
        using var usageThen = await replica.Http.GetAsync("/v1/usage", Token);
        await replica.Get<EmbeddingService.Caching.QueryCounter>().FlushAsync(Token);
        Assert.Equal((503, "budget_unavailable"), (refused.Status, refused.Code));
        Assert.Equal((200, 200), (cached.Status, free.Status));
        Assert.Equal(503, (int)usageThen.StatusCode);
        Assert.Contains("away", await report.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);

        await _postgres.StartAgainAsync(Token);
        for (var i = 0; i < 100 && (await replica.EmbedAsync(["four"], ("x-rag-workspace", "strict"))).Status != 200; i++)
        {
            await Task.Delay(100, Token);
        }

        var usage = await replica.Http.GetFromJsonAsync<System.Text.Json.JsonElement>("/v1/usage", Token);
        var source = usage.GetProperty("entries").EnumerateArray().Where(entry => entry.GetProperty("tier").GetString() == "source").ToList();
        Assert.Equal(3, source.Sum(entry => entry.GetProperty("texts").GetInt64()));
    }

    // A text that only L2 or L3 can have: it is removed from memory in between.
    private static async Task<bool> WarmAgainAsync(Replica replica, int i)
    {
        var text = $"again {i}";
        await replica.EmbedAsync([text]);
        await replica.FlushAsync();
        replica.Get<EmbeddingService.Caching.MemoryTier>().Remove(replica.KeyOf(text));
        return (await replica.EmbedAsync([text])).Tiers.Contains("l2=1", StringComparison.Ordinal);
    }

    private static async Task<double[]> RunAsync(Replica replica, string name, int count)
    {
        var durations = new double[count];
        for (var i = 0; i < count; i++)
        {
            var start = TimeProvider.System.GetTimestamp();
            var answer = await replica.EmbedAsync([$"{name} {i}"]);
            durations[i] = TimeProvider.System.GetElapsedTime(start).TotalMilliseconds;
            Assert.Equal(200, answer.Status);
            Assert.Equal(Replica.Right($"{name} {i}"), answer.Vectors.Single());
        }

        return durations;
    }

    private static IEnumerable<int> ServerProcesses(int parent)
    {
        yield return parent;
        foreach (var child in File.ReadAllText($"/proc/{parent}/task/{parent}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            yield return int.Parse(child, null);
        }
    }

    private static void Signal(int signal, IEnumerable<int> processes)
    {
        using var kill = System.Diagnostics.Process.Start("kill", ["-" + signal, .. processes.Select(id => $"{id}")]);
        kill.WaitForExit();
    }
}
