using System.Collections.Concurrent;
using System.Globalization;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.LocalServers;

namespace RagPlatform.Lab.Bench;

/// <summary>Many callers at once, while Valkey and PostgreSQL are paused, stopped and started again, one after the other.</summary>
/// <param name="bench">The run.</param>
/// <param name="node">Whose servers are disturbed.</param>
/// <param name="provider">The provider, 20 ms away.</param>
internal sealed class EmbedBenchOutage(BenchContext bench, EphemeralNode node, ScriptedEmbeddingServer provider)
{
    private const int Callers = 16;
    private const int Known = 200;
    private const int Stop = 19;
    private const int Continue = 18;

    private static readonly TimeSpan s_phase = TimeSpan.FromSeconds(2);

    private long _errors;
    private int _newest;

    private CancellationToken Token => bench.CancellationToken;

    /// <summary>Measures.</summary>
    public async Task RunAsync()
    {
        if (node.App is not { Valkey: { } valkey, Postgres: { } postgres })
        {
            throw new UnsoundRunException("the servers are not the benchmark's own, so it must not stop them");
        }

        var replica = await EmbedReplica.StartAsync(node, provider, "bench-outage", ("Embedding:Cache:MemoryEntries", "0")).ConfigureAwait(false);
        await using (replica.ConfigureAwait(false))
        {
            await MeasureAsync(replica, "warm-up").ConfigureAwait(false);
            var normal = await MeasureAsync(replica, "normal").ConfigureAwait(false);
            var (worst, recovery) = (normal, 0.0);
            int[] paused = [];
            foreach (var (name, tier, begin, end) in new (string, Tier, Func<Task>, Func<Task>)[]
            {
                ("Valkey paused", Tier.L2, () => SignalAsync(paused = ProcessesOf(valkey.ProcessId), Stop), () => SignalAsync(paused, Continue)),
                ("Valkey stopped", Tier.L2, valkey.StopAsync, () => valkey.StartAgainAsync(Token)),
                ("PostgreSQL paused", Tier.L3, () => SignalAsync(paused = ProcessesOf(postgres.ProcessId), Stop), () => SignalAsync(paused, Continue)),
                ("PostgreSQL stopped", Tier.L3, postgres.StopAsync, () => postgres.StartAgainAsync(Token)),
            })
            {
                worst = Math.Max(worst, await MeasureAsync(replica, name, begin).ConfigureAwait(false));
                worst = Math.Max(worst, await MeasureAsync(replica, name + ", back again", end).ConfigureAwait(false));
                recovery = Math.Max(recovery, await RecoverAsync(replica, tier).ConfigureAwait(false));
            }

            bench.Figures.Add("embed.outage_errors", _errors, "", "==0");
            bench.Figures.Add("embed.outage_extra_p99_ms", worst - normal, "ms", Figure.AtMost(50));
            bench.Figures.Add("embed.outage_recovery_s", recovery, "s");
        }
    }

    // A third of the texts is new, the others can be in a cache. What happens, happens under load.
    private async Task<double> MeasureAsync(EmbedReplica replica, string name, Func<Task>? happen = null)
    {
        var durations = new ConcurrentQueue<double>();
        var begin = bench.Time.GetTimestamp();
        var callers = Enumerable.Range(0, Callers).Select(caller => Task.Run(() => CallAsync(replica, new Random(caller), begin, durations), Token)).ToArray();
        if (happen is not null)
        {
            await Task.Delay(s_phase / 4, Token).ConfigureAwait(false);
            await happen().ConfigureAwait(false);
        }

        await Task.WhenAll(callers).ConfigureAwait(false);
        double[] all = [.. durations];
        var p99 = Percentiles.Of(all, 99);
        bench.Progress(string.Create(
            CultureInfo.InvariantCulture, $"{name}: {all.Length} requests, p50 {Percentiles.Of(all, 50):0.0} ms, p99 {p99:0.0} ms, longest {all.Max():0.0} ms"));
        return p99;
    }

    private async Task CallAsync(EmbedReplica replica, Random random, long begin, ConcurrentQueue<double> durations)
    {
        while (bench.Time.GetElapsedTime(begin) < s_phase)
        {
            var body = EmbedReplica.Body(random.Next(3) == 0 ? $"new {Interlocked.Increment(ref _newest)}" : $"known {random.Next(Known)}");
            durations.Enqueue(await bench.MeasureAsync(async () =>
            {
                if (!await EmbedReplica.PostAsync(replica.Http, body, Token).ConfigureAwait(false))
                {
                    Interlocked.Increment(ref _errors);
                }
            }).ConfigureAwait(false));
        }
    }

    // Until a text that only this tier has is found there.
    private async Task<double> RecoverAsync(EmbedReplica replica, Tier tier)
    {
        var began = bench.Time.GetTimestamp();
        for (var i = 0; i < 300; i++)
        {
            var call = replica.Call([$"back {tier} {_newest} {i}"]);
            await replica.EmbedAsync(call, Token).ConfigureAwait(false);
            await replica.FlushAsync().ConfigureAwait(false);
            if (tier == Tier.L3)
            {
                await replica.Get<ValkeyTier>().RemoveAsync([VectorKey.Create("", call.Texts[0], call.Target.Id)]).ConfigureAwait(false);
            }

            if ((await replica.EmbedAsync(call, Token).ConfigureAwait(false)).Tiers.Texts(tier) == 1)
            {
                return bench.Time.GetElapsedTime(began).TotalSeconds;
            }

            await Task.Delay(50, Token).ConfigureAwait(false);
        }

        throw new UnsoundRunException($"{tier} did not come back");
    }

    // Each connection of PostgreSQL is a process of its own.
    private static int[] ProcessesOf(int? parent) => parent is not { } id
        ? []
        : [id, .. File.ReadAllText($"/proc/{id}/task/{id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(child => int.Parse(child, CultureInfo.InvariantCulture))];

    private static Task SignalAsync(int[] processes, int signal)
    {
        foreach (var process in processes)
        {
            Unix.Send(process, signal);
        }

        return Task.CompletedTask;
    }
}
