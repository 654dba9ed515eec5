using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.SingleNode.Servers;

namespace RagPlatform.Integration.Tests.Embedding;

/// <summary>Many callers at once, with the settings of production, while the caches are paused, stopped and started one after the other.</summary>
public sealed class OutageUnderLoadTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Callers = 16;
    private const int Known = 200;
    private const int Stop = 19;
    private const int Continue = 18;

    // On a quiet machine it is below 50 ms. A machine that builds and tests at the same time has pauses of its own.
    private const double MaxExtraMilliseconds = 400;

    private static readonly TimeSpan s_phase = TimeSpan.FromSeconds(1.5);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-tests-");
    private ScriptedEmbeddingServer _provider = null!;
    private LocalValkey? _valkey;
    private LocalPostgres? _postgres;
    private int _newest;

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
    public async Task Embed_CachesArePausedStoppedAndStartedUnderLoad_NoRequestFailsOrWaitsAndTheyComeBack()
    {
        var program = Requirements.NeedValkey();
        Requirements.NeedPostgres();
        _provider.Script = _ => new ScriptedAnswer(Latency: TimeSpan.FromMilliseconds(20));
        _valkey = await LocalValkey.StartAsync(
            program, new LocalValkeyOptions(Path.Combine(_folder.FullName, "valkey"), "secret", Durable: false), NullLogger.Instance, Token);
        _postgres = await LocalPostgres.StartAsync(
            new LocalPostgresOptions(Path.Combine(_folder.FullName, "postgres"), "secret", Durable: false), NullLogger.Instance, Token);
        await using var replica = await Replica.StartAsync(
            _provider, _postgres.ConnectionString, _valkey.ConnectionString, "load", ("Cache:CommandTimeout", "00:00:00.020"),
            ("Embedding:Cache:DurableTimeout", "00:00:00.025"), ("Embedding:Cache:MemoryEntries", "0"));
        await MeasureAsync(replica, "warm-up");
        var normal = await MeasureAsync(replica, "normal");

        await DisturbAsync("Valkey paused", () => SignalAsync(Stop, [_valkey.ProcessId!.Value]), () => SignalAsync(Continue, [_valkey.ProcessId!.Value]));
        await ComesBackAsync(replica, Tier.L2);
        await DisturbAsync("Valkey stopped", _valkey.StopAsync, () => _valkey.StartAgainAsync(Token));
        await ComesBackAsync(replica, Tier.L2);
        int[] processes = [];
        await DisturbAsync(
            "PostgreSQL paused", () => SignalAsync(Stop, processes = ProcessesOf(_postgres.ProcessId!.Value)), () => SignalAsync(Continue, processes));
        await ComesBackAsync(replica, Tier.L3);
        await DisturbAsync("PostgreSQL stopped", _postgres.StopAsync, () => _postgres.StartAgainAsync(Token));
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

    private static int[] ProcessesOf(int parent) =>
        [parent, .. File.ReadAllText($"/proc/{parent}/task/{parent}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(id => int.Parse(id, null))];

    private static async Task SignalAsync(int signal, IEnumerable<int> processes)
    {
        // A connection's process may have ended meanwhile: that kill says so is no failure.
        using var kill = System.Diagnostics.Process.Start("kill", ["-" + signal, .. processes.Select(id => $"{id}")]);
        await kill.WaitForExitAsync(Token);
    }
}
