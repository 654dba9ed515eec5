using System.Net.Http.Json;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Integration.Tests.Embedding;

/// <summary>Servers of its own, because they are stopped in the middle.</summary>
public sealed class OutageTests : IAsyncLifetime
{

    private OutageServers _servers = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _servers = await OutageServers.StartProviderAsync();

    public ValueTask DisposeAsync() => _servers.DisposeAsync();

    [Fact]
    public async Task Embed_ValkeyAndPostgresArePaused_NoRequestFailsAndTheyComeBack()
    {
        var valkey = await _servers.StartValkeyAsync(Token);
        var postgres = await _servers.StartPostgresAsync(Token);
        await using var replica = await Replica.StartAsync(
            _servers.Provider, postgres.ConnectionString, valkey.ConnectionString, "outage",
            ("Cache:CommandTimeout", "00:00:00.020"), ("Embedding:Cache:DurableTimeout", "00:00:00.025"));
        var before = await RunAsync(replica, "before", 50);

        // All connections of PostgreSQL are processes of their own: those have to be paused too.
        var processes = OutageServers.ProcessesOf(postgres.ProcessId!.Value).Append(valkey.ProcessId!.Value).ToArray();
        await OutageServers.PauseAsync(processes);
        double[] paused;
        try
        {
            paused = await RunAsync(replica, "paused", 200);
        }
        finally
        {
            await OutageServers.ContinueAsync(processes);
        }

        var (normal, p90) = (P90(before), P90(paused));
        Assert.True(p90 < Math.Max(100, 2 * normal), $"p90 {p90:0.0} ms, normally {normal:0.0} ms");
        var inARow = 0;
        for (var i = 0; i < 100 && inARow < 2; i++)
        {
            inARow = await WarmAgainAsync(replica, i) ? inARow + 1 : 0;
            await Task.Delay(inARow > 0 ? 0 : 100, Token);
        }

        Assert.Equal(2, inARow);

        static double P90(double[] durations) => durations.Order().ElementAt((int)(durations.Length * 0.9));
    }

    [Fact]
    public async Task Embed_PostgresIsStopped_OnlyHardBudgetsAreRefusedAndNoUsageIsLost()
    {
        var postgres = await _servers.StartPostgresAsync(Token);
        await using var replica = await Replica.StartAsync(_servers.Provider, postgres.ConnectionString, null, "outage");
        using var put = await replica.Http.PutAsJsonAsync("/v1/budgets", new { workspace = "strict", period = "month", hard = true, limitMicroDollars = 1_000 }, Token);
        Assert.True(put.IsSuccessStatusCode);
        Assert.Equal(200, (await replica.EmbedAsync(["one"], ("x-rag-workspace", "strict"))).Status);

        await postgres.StopAsync();
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

        await postgres.StartAgainAsync(Token);
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
}
