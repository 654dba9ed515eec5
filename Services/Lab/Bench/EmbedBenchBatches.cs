using Microsoft.Extensions.DependencyInjection;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Wire;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Bench;

/// <summary>
/// Random batches with duplicates, partly in each of the three tiers, from a provider that is often wrong in every way there is. Whatever is answered is
/// compared with the right vector, bit by bit; also what a wrong answer may have left in a tier, because texts come again. Memory, joining, Valkey and
/// PostgreSQL, the provider's client and the check of its answers are the real ones; the provider's network and the gateway's own HTTP are left out.
/// </summary>
/// <param name="bench">The run.</param>
/// <param name="node">Whose servers are used.</param>
internal sealed class EmbedBenchBatches(BenchContext bench, EphemeralNode node)
{
    private const int Dimensions = 48;
    private const int Workers = 32;

    private long _batches;
    private long _vectors;
    private long _misaligned;
    private long _refused;

    /// <summary>Checks a number of batches.</summary>
    public async Task RunAsync(int batches)
    {
        var provider = await bench.StartProviderAsync(TimeSpan.Zero, Dimensions).ConfigureAwait(false);
        var faults = new Random(bench.Seed);
        using var faulty = new FaultyProvider(Dimensions, bench.Seed);

        // Long timeouts: with so many workers, a tier that counts as away would only make it a test of fewer tiers.
        var replica = await EmbedReplica.StartAsync(
            node, provider, "bench-batches", services => services.AddSingleton(new ProviderHttp(faulty)),
            ("Embedding:Cache:MemoryEntries", "300"), ("Embedding:Cache:DurableTimeout", "00:00:05"), ("Cache:CommandTimeout", "00:00:02"),
            ("Embedding:Providers:scripted:MaxAttempts", "1"), ("Embedding:Providers:scripted:MaxInFlight", "64")).ConfigureAwait(false);
        double seconds;
        var began = bench.Time.GetTimestamp();
        await using (replica.ConfigureAwait(false))
        {
            await Task.WhenAll(Enumerable.Range(0, Workers).Select(worker => Task.Run(() => RunAsync(replica, worker, (batches + worker) / Workers)))).ConfigureAwait(false);
            seconds = bench.Time.GetElapsedTime(began).TotalSeconds;
            var statistics = replica.Get<TierStatistics>();
            bench.Progress(FormattableString.Invariant(
                $"{_vectors} vectors compared, {_refused} batches refused; texts from l1 {statistics.Read(Tier.L1).Hits}, l2 {statistics.Read(Tier.L2).Hits}, l3 {statistics.Read(Tier.L3).Hits}, source {statistics.Read(Tier.Source).Hits}"));
            if (statistics.Read(Tier.L2).Hits == 0 || statistics.Read(Tier.L3).Hits == 0 || _refused == 0 || !faulty.AllHadTheirTurn)
            {
                throw new UnsoundRunException("not every tier and every fault had its turn");
            }
        }

        bench.Figures.Add("embed.misaligned", _misaligned, "", "==0");
        bench.Figures.Add("embed.batches_checked", _batches);
        bench.Figures.Add("embed.batches_per_second", _batches / seconds, "1/s");
    }

    private async Task RunAsync(EmbedReplica replica, int worker, int batches)
    {
        var random = new Random((bench.Seed * 31) + worker);
        var newest = 1_200;
        var right = new Dictionary<int, float[]>();
        for (var i = 0; i < batches; i++)
        {
            // Old texts, and now and then new ones; the workers share them, so that batches overlap.
            newest += random.Next(4) == 0 ? random.Next(1, 8) : 0;
            var numbers = Enumerable.Range(0, random.Next(1, 24)).Select(_ => Math.Max(0, newest - random.Next(1_000))).ToArray();
            try
            {
                var result = await replica.EmbedAsync(replica.Call([.. numbers.Select(TextOf)]), bench.CancellationToken).ConfigureAwait(false);
                Compare(numbers, result.Vectors, right);
            }
            catch (GatewayException)
            {
                Interlocked.Increment(ref _refused);
            }

            Interlocked.Increment(ref _batches);
            if (i % 20 == 0)
            {
                await ForgetAsync(replica, random, newest).ConfigureAwait(false);
            }
        }
    }

    // So that each tier has only a part: some texts leave Valkey, some of those PostgreSQL as well.
    private async Task ForgetAsync(EmbedReplica replica, Random random, int newest)
    {
        var space = replica.Call([]).Target.Id;
        var keys = Enumerable.Range(0, 120).Select(_ => VectorKey.Create("", TextOf(Math.Max(0, newest - random.Next(1_000))), space)).Distinct().ToArray();
        await replica.Get<ValkeyTier>().RemoveAsync(keys).ConfigureAwait(false);
        await replica.Get<EmbeddingCacheStore>().DeleteAsync(space, [.. keys.Take(30).Select(key => key.HashBytes())], bench.CancellationToken).ConfigureAwait(false);
    }

    private void Compare(int[] numbers, float[][] vectors, Dictionary<int, float[]> right)
    {
        if (right.Count > 20_000)
        {
            right.Clear();
        }

        for (var i = 0; i < numbers.Length; i++)
        {
            if (!right.TryGetValue(numbers[i], out var expected))
            {
                right.Add(numbers[i], expected = ScriptedEmbeddingServer.Embed(BenchContext.ScriptedModel, TextOf(numbers[i]), Dimensions));
            }

            Interlocked.Increment(ref _vectors);
            if (vectors.Length != numbers.Length || !vectors[i].AsSpan().SequenceEqual(expected))
            {
                Interlocked.Increment(ref _misaligned);
            }
        }
    }

    // Many words from one number: the provider's vectors are sums over words, and no two texts may have the same.
    private static string TextOf(int number) => string.Create(
        null, $"t{number} a{number * 7919L % 10007} b{number * 104729L % 100003} c{number * 31L % 997} d{number * 613L % 7919} e{number ^ 0x5555} f{number * 17}");
}
