using System.Collections.Concurrent;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Integration.Tests.Embedding;

/// <summary>Many callers at once, with the settings of production, while the caches are paused, stopped and started one after the other.</summary>
public sealed class OutageUnderLoadTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Callers = 16;
    private const int Known = 200;

    // On a quiet machine it is below 50 ms. A machine that builds and tests at the same time has pauses of its own.
    private const double MaxExtraMilliseconds = 400;

    private static readonly TimeSpan s_phase = TimeSpan.FromSeconds(1.5);

    private OutageServers _servers = null!;
    private int _newest;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _servers = await OutageServers.StartProviderAsync();

    public ValueTask DisposeAsync() => _servers.DisposeAsync();

    [Fact]
    public async Task Embed_CachesArePausedStoppedAndStartedUnderLoad_NoRequestFailsOrWaitsAndTheyComeBack()
    {
        _servers.Provider.Script = _ => new ScriptedAnswer(Latency: TimeSpan.FromMilliseconds(20));
        var valkey = await _servers.StartValkeyAsync(Token);
        var postgres = await _servers.StartPostgresAsync(Token);
        await using var replica = await Replica.StartAsync(
            _servers.Provider, postgres.ConnectionString, valkey.ConnectionString, "load", ("Cache:CommandTimeout", "00:00:00.020"),
            ("Embedding:Cache:DurableTimeout", "00:00:00.025"), ("Embedding:Cache:MemoryEntries", "0"));
        await MeasureAsync(replica, "warm-up");
        var normal = await MeasureAsync(replica, "normal");

        await DisturbAsync("Valkey paused", () => OutageServers.PauseAsync([valkey.ProcessId!.Value]), () => OutageServers.ContinueAsync([valkey.ProcessId!.Value]));
        await ComesBackAsync(replica, Tier.L2);
        await DisturbAsync("Valkey stopped", valkey.StopAsync, () => valkey.StartAgainAsync(Token));
        await ComesBackAsync(replica, Tier.L2);
        int[] processes = [];
        await DisturbAsync(
            "PostgreSQL paused", () => OutageServers.PauseAsync(processes = OutageServers.ProcessesOf(postgres.ProcessId!.Value)), () => OutageServers.ContinueAsync(processes));
        await ComesBackAsync(replica, Tier.L3);
        await DisturbAsync("PostgreSQL stopped", postgres.StopAsync, () => postgres.StartAgainAsync(Token));
        await ComesBackAsync(replica, Tier.L3);

        async Task DisturbAsync(string name, Func<Task> beginAsync, Func<Task> endAsync)
        {
            // Under load before, at and after the change, both ways.
            var measured = MeasureAsync(replica, name);
            try
            {
                await Task.Delay(s_phase / 4, Token);
                await beginAsync();
                Below(await measured);
                measured = MeasureAsync(replica, name + ", back again");
                await Task.Delay(s_phase / 4, Token);
            }
            finally
            {
                await endAsync();
            }

            Below(await measured);
        }

        // Where a request takes long anyway, what delays it takes long too.
        void Below(double p99) => Assert.True(
            p99 <= normal + Math.Max(MaxExtraMilliseconds, 2 * normal), $"p99 {p99:0.0} ms, normally {normal:0.0} ms");
    }

    // A third of the texts is new, the others can be in a cache. Every answer is compared with the right one.
    private async Task<double> MeasureAsync(Replica replica, string name)
    {
        var durations = new ConcurrentQueue<double>();
        var begin = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(
            async () =>
            {
                var random = new Random(caller);
                while (TimeProvider.System.GetElapsedTime(begin) < s_phase)
                {
                    var text = random.Next(3) == 0 ? $"new {Interlocked.Increment(ref _newest)}" : $"known {random.Next(Known)}";
                    var start = TimeProvider.System.GetTimestamp();
                    var answer = await replica.EmbedAsync([text]);
                    durations.Enqueue(TimeProvider.System.GetElapsedTime(start).TotalMilliseconds);
                    Assert.Equal(200, answer.Status);
                    Assert.Equal(Replica.Right(text), answer.Vectors.Single());
                }
            },
            Token)));
        var sorted = durations.Order().ToArray();
        var p99 = sorted[(int)(sorted.Length * 0.99)];
        output.WriteLine($"{name}: {sorted.Length} requests, p50 {sorted[sorted.Length / 2]:0.0} ms, p99 {p99:0.0} ms, longest {sorted[^1]:0.0} ms");
        return p99;
    }

    private static async Task ComesBackAsync(Replica replica, Tier tier)
    {
        for (var i = 0; ; i++)
        {
            var text = $"back {tier} {Guid.NewGuid()}";
            await replica.EmbedAsync([text]);
            await replica.FlushAsync();
            if (tier == Tier.L3)
            {
                await replica.Get<ValkeyTier>().RemoveAsync([replica.KeyOf(text)]);
            }

            if ((await replica.EmbedAsync([text])).Tiers.Contains(tier == Tier.L2 ? "l2=1" : "l3=1", StringComparison.Ordinal))
            {
                return;
            }

            Assert.True(i < 300, $"{tier} did not come back");
            await Task.Delay(100, Token);
        }
    }
}
