using System.Net.Http.Headers;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode.ScriptedProvider;

namespace RagPlatform.Lab.Bench;

/// <summary>How long a text takes from each tier.</summary>
/// <param name="bench">The run.</param>
/// <param name="node">Whose servers are used.</param>
/// <param name="provider">The provider, 20 ms away.</param>
/// <param name="runs">Repetitions; the median counts.</param>
internal sealed class EmbedBenchLatency(BenchContext bench, EphemeralNode node, ScriptedEmbeddingServer provider, int runs)
{
    private CancellationToken Token => bench.CancellationToken;

    /// <summary>Measures.</summary>
    public async Task RunAsync()
    {
        var replica = await EmbedReplica.StartAsync(node, provider, "bench-latency").ConfigureAwait(false);
        await using (replica.ConfigureAwait(false))
        {
            await MeasureMemoryAsync(replica).ConfigureAwait(false);
            await MeasureHttpHitAsync(replica).ConfigureAwait(false);
            await MeasureWarmSpeedupAsync(replica).ConfigureAwait(false);
            await MeasureMissAsync(replica).ConfigureAwait(false);
        }

        await MeasureBatchAsync("embed.l2_batch100_p99_ms", 5, "bench-l2", ("Embedding:Cache:Durable", "false")).ConfigureAwait(false);
        await MeasureBatchAsync("embed.l3_batch100_p99_ms", 15, "bench-l3", ("ConnectionStrings:cache", null)).ConfigureAwait(false);
    }

    /// <summary>Measures only what a miss costs.</summary>
    public async Task RunMissAsync()
    {
        var replica = await EmbedReplica.StartAsync(node, provider, "bench-miss").ConfigureAwait(false);
        await using (replica.ConfigureAwait(false))
        {
            // In the whole run, other measurements have done this.
            await Task.WhenAll(EmbedBench.Texts("warm", 1_000).Select(text => PostAsync(replica.Http, EmbedReplica.Body(text)))).ConfigureAwait(false);
            await MeasureMissAsync(replica).ConfigureAwait(false);
        }
    }

    private async Task MeasureMemoryAsync(EmbedReplica replica)
    {
        const int Calls = 20_000;
        var texts = EmbedBench.Texts("memory", 100);
        foreach (var text in texts)
        {
            await replica.EmbedAsync(replica.Call([text]), Token).ConfigureAwait(false);
        }

        await AddMedianAsync("embed.l1_p99_us", "us", 50, async () =>
        {
            var durations = new double[Calls];
            for (var i = 0; i < Calls; i++)
            {
                var call = replica.Call([texts[i % texts.Length]]);
                var start = bench.Time.GetTimestamp();
                await replica.EmbedAsync(call, Token).ConfigureAwait(false);
                durations[i] = bench.Time.GetElapsedTime(start).TotalMicroseconds;
            }

            return Percentiles.Of(durations, 99);
        }).ConfigureAwait(false);
    }

    private async Task MeasureHttpHitAsync(EmbedReplica replica)
    {
        var body = EmbedReplica.Body("a query that everybody asks");
        await AddMedianAsync("embed.http_hit_p50_ms", "ms", 1, async () =>
            Percentiles.Of(await TimeAsync(1_000, _ => PostAsync(replica.Http, body)).ConfigureAwait(false), 50)).ConfigureAwait(false);
    }

    // One text per request, one after another, as a person would ask.
    private async Task MeasureWarmSpeedupAsync(EmbedReplica replica)
    {
        var bodies = EmbedBench.Texts("warm", 1_000).Select(text => EmbedReplica.Body(text)).ToArray();
        var cold = await bench.MeasureAsync(() => TimeAsync(bodies.Length, i => PostAsync(replica.Http, bodies[i]))).ConfigureAwait(false);
        var warm = new List<double>();
        for (var run = 0; run < runs; run++)
        {
            warm.Add(await bench.MeasureAsync(() => TimeAsync(bodies.Length, i => PostAsync(replica.Http, bodies[i]))).ConfigureAwait(false));
        }

        bench.Figures.Add("embed.warm_speedup", cold / Percentiles.Median(warm), "x", Figure.AtLeast(100));
    }

    // What the gateway adds to a call that the provider has to answer: measured in turns with the provider itself.
    private async Task MeasureMissAsync(EmbedReplica replica)
    {
        const int Calls = 100;
        using var direct = new HttpClient();
        direct.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "scripted");
        var url = new Uri(provider.Address + "/embeddings");
        var round = 0;
        await AddMedianAsync("embed.miss_overhead_p50_ms", "ms", 1, async () =>
        {
            round++;
            var (through, alone) = (new double[Calls], new double[Calls]);
            for (var i = 0; i < Calls; i++)
            {
                var body = EmbedReplica.Body($"nobody asked for {round} {i} before");
                through[i] = await bench.MeasureAsync(() => PostAsync(replica.Http, body)).ConfigureAwait(false);
                alone[i] = await bench.MeasureAsync(async () =>
                {
                    using var content = new ByteArrayContent(body);
                    content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
                    using var response = await direct.PostAsync(url, content, Token).ConfigureAwait(false);
                    await response.Content.ReadAsByteArrayAsync(Token).ConfigureAwait(false);
                }).ConfigureAwait(false);
            }

            bench.Progress(FormattableString.Invariant(
                $"p50 {Percentiles.Of(through, 50):0.00} ms through the gateway, {Percentiles.Of(alone, 50):0.00} ms to the provider alone"));
            return Percentiles.Of(through, 50) - Percentiles.Of(alone, 50);
        }).ConfigureAwait(false);
    }

    // Without memory, so that each request reads the tier below.
    private async Task MeasureBatchAsync(string figure, double goal, string keyPrefix, params (string, string?)[] settings)
    {
        const int Requests = 200;
        var replica = await EmbedReplica.StartAsync(node, provider, keyPrefix, [("Embedding:Cache:MemoryEntries", "0"), .. settings]).ConfigureAwait(false);
        await using (replica.ConfigureAwait(false))
        {
            var bodies = Enumerable.Range(0, 20).Select(i => EmbedReplica.Body(EmbedBench.Texts($"{keyPrefix} {i}", 100))).ToArray();
            foreach (var body in bodies)
            {
                await PostAsync(replica.Http, body).ConfigureAwait(false);
            }

            await replica.FlushAsync().ConfigureAwait(false);
            await TimeAsync(40, i => PostAsync(replica.Http, bodies[i % bodies.Length])).ConfigureAwait(false);
            var texts = provider.TextCount;
            await AddMedianAsync(figure, "ms", goal, async () =>
                Percentiles.Of(await TimeAsync(Requests, i => PostAsync(replica.Http, bodies[i % bodies.Length])).ConfigureAwait(false), 99)).ConfigureAwait(false);
            var tier = replica.Get<TierStatistics>().Read(keyPrefix == "bench-l2" ? Tier.L2 : Tier.L3);
            bench.Progress(FormattableString.Invariant($"{figure}: {tier.Hits} hits, {tier.Errors} timeouts, {provider.TextCount - texts} texts had to be embedded again"));
        }
    }

    private async Task PostAsync(HttpClient http, byte[] body)
    {
        if (!await EmbedReplica.PostAsync(http, body, Token).ConfigureAwait(false))
        {
            throw new UnsoundRunException("a request failed");
        }
    }

    private async Task<double[]> TimeAsync(int count, Func<int, Task> work)
    {
        var durations = new double[count];
        for (var i = 0; i < count; i++)
        {
            var index = i;
            durations[i] = await bench.MeasureAsync(() => work(index)).ConfigureAwait(false);
        }

        return durations;
    }

    // One repetition more, whose result nobody sees: the first run compiles.
    private async Task AddMedianAsync(string figure, string unit, double goal, Func<Task<double>> measureAsync)
    {
        await measureAsync().ConfigureAwait(false);
        var values = new List<double>();
        for (var run = 0; run < runs; run++)
        {
            values.Add(await measureAsync().ConfigureAwait(false));
        }

        bench.Figures.Add(figure, Percentiles.Median(values), unit, Figure.AtMost(goal));
    }
}
