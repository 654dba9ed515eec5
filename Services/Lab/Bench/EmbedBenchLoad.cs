using RagPlatform.EmbeddingService.Budgets;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Wire;
using RagPlatform.Lab.Figures;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Bench;

/// <summary>Hit rates of typical loads, many callers at once, and budgets that they compete for.</summary>
/// <param name="bench">The run.</param>
/// <param name="node">Whose servers are used.</param>
/// <param name="provider">The provider, 20 ms away.</param>
internal sealed class EmbedBenchLoad(BenchContext bench, EphemeralNode node, ScriptedEmbeddingServer provider)
{
    private CancellationToken Token => bench.CancellationToken;

    /// <summary>How much of a load is not paid.</summary>
    public async Task MeasureRatesAsync()
    {
        var replica = await EmbedReplica.StartAsync(node, provider, "bench-rates").ConfigureAwait(false);
        await using (replica.ConfigureAwait(false))
        {
            // 200 queries, each asked twenty times, in any order.
            var queries = EmbedBench.Texts("query", 200).SelectMany(text => Enumerable.Repeat(text, 20)).ToArray();
            bench.Random.Shuffle(queries);
            bench.Figures.Add("embed.repeat_hit_rate", await RateAsync(replica, queries, 10).ConfigureAwait(false), "", Figure.AtLeast(0.9));

            // 2,000 passages are loaded, one in twenty is edited, and all of them are loaded again.
            var passages = EmbedBench.Texts("passage", 2_000);
            await RateAsync(replica, passages, 100).ConfigureAwait(false);
            foreach (var edited in Enumerable.Range(0, passages.Length).OrderBy(_ => bench.Random.Next()).Take(passages.Length / 20))
            {
                passages[edited] += " Edited.";
            }

            bench.Figures.Add("embed.reingest_hit_rate", await RateAsync(replica, passages, 100).ConfigureAwait(false), "", Figure.AtLeast(0.94));
        }

        foreach (var (exponent, name) in new[] { (0.8, "zipf08"), (1.0, "zipf10"), (1.2, "zipf12") })
        {
            bench.Figures.Add($"embed.{name}_l1_hit_rate", ZipfRate(exponent, distinct: 20_000, capacity: 2_000, requests: 200_000));
        }
    }

    /// <summary>Many callers at once.</summary>
    public async Task MeasureLoadAsync()
    {
        await MeasureConcurrentAsync().ConfigureAwait(false);
        await MeasureSingleFlightAsync().ConfigureAwait(false);
    }

    /// <summary>A thousand calls at once on a budget that allows a hundred.</summary>
    public async Task MeasureBudgetAsync()
    {
        const int Calls = 1_000;
        const int Allowed = 100;
        var replica = await EmbedReplica.StartAsync(node, provider, "bench-budget").ConfigureAwait(false);
        await using (replica.ConfigureAwait(false))
        {
            // Two words of two letters: both the estimate and the provider say two tokens.
            await replica.Get<EmbeddingBudgetStore>().SetAsync(new(0, "bench-budget", "", "day", true, null, 2 * Allowed), Token).ConfigureAwait(false);
            await replica.Get<BudgetGate>().RefreshAsync(Token).ConfigureAwait(false);
            var before = provider.TextCount;
            var passed = (await Task.WhenAll(Enumerable.Range(0, Calls).Select(i => TryAsync(
                replica, [$"{Letters(i / 676)} {Letters(i % 676)}"], "bench-budget"))).ConfigureAwait(false)).Count(ok => ok);
            if (provider.TextCount - before != passed)
            {
                throw new UnsoundRunException(FormattableString.Invariant($"{provider.TextCount - before} texts were embedded for {passed} calls that passed"));
            }

            bench.Figures.Add("embed.budget_passed", passed, "", $"=={Allowed}");
        }

        static string Letters(int n) => $"{(char)('a' + (n / 26))}{(char)('a' + (n % 26))}";
    }

    private async Task MeasureConcurrentAsync()
    {
        const int Callers = 500;
        const int Each = 20;
        var replica = await EmbedReplica.StartAsync(
            node, provider, "bench-concurrent", ("Embedding:Cache:MemoryEntries", "5000"), ("Embedding:Providers:scripted:MaxInFlight", "64")).ConfigureAwait(false);
        await using (replica.ConfigureAwait(false))
        {
            var texts = EmbedBench.Texts("concurrent", 2_000);
            await RoundAsync(0).ConfigureAwait(false);
            var before = GC.GetTotalMemory(forceFullCollection: true);
            var errors = 0;
            for (var round = 1; round <= 3; round++)
            {
                errors += await RoundAsync(round).ConfigureAwait(false);
            }

            bench.Figures.Add("embed.concurrent500_errors", errors, "", "==0");
            bench.Figures.Add("embed.concurrent500_memory_growth", (GC.GetTotalMemory(forceFullCollection: true) - before) / 1e6, "MB", Figure.AtMost(20));

            async Task<int> RoundAsync(int round)
            {
                var failures = await Task.WhenAll(Enumerable.Range(0, Callers).Select(async caller =>
                {
                    var random = new Random((bench.Seed * 1_000_003) + (round * 1_009) + caller);
                    var failed = 0;
                    for (var i = 0; i < Each; i++)
                    {
                        var body = EmbedReplica.Body(texts[random.Next(texts.Length)], texts[random.Next(texts.Length)]);
                        failed += await TryPostAsync(replica.Http, body).ConfigureAwait(false) ? 0 : 1;
                    }

                    return failed;
                })).ConfigureAwait(false);
                return failures.Sum();
            }
        }
    }

    private async Task MeasureSingleFlightAsync()
    {
        const int Callers = 10_000;
        var first = await EmbedReplica.StartAsync(node, provider, "bench-flight").ConfigureAwait(false);
        await using (first.ConfigureAwait(false))
        {
            var second = await EmbedReplica.StartAsync(node, provider, "bench-flight").ConfigureAwait(false);
            await using (second.ConfigureAwait(false))
            {
                var before = provider.TextCount;
                string[] text = ["the one text that everybody wants"];
                var passed = await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => Task.Run(() => TryAsync(i % 2 == 0 ? first : second, text)))).ConfigureAwait(false);
                if (!passed.All(ok => ok))
                {
                    throw new UnsoundRunException("a caller of the one text failed");
                }

                bench.Figures.Add("embed.single_flight_calls", provider.TextCount - before, "", "==1");
            }
        }
    }

    private async Task<double> RateAsync(EmbedReplica replica, string[] texts, int batch)
    {
        var before = provider.TextCount;
        foreach (var chunk in texts.Chunk(batch))
        {
            await replica.EmbedAsync(replica.Call(chunk), Token).ConfigureAwait(false);
        }

        return 1 - ((double)(provider.TextCount - before) / texts.Length);
    }

    private double ZipfRate(double exponent, int distinct, int capacity, int requests)
    {
        var cumulative = new double[distinct];
        var sum = 0.0;
        for (var i = 0; i < distinct; i++)
        {
            cumulative[i] = sum += 1 / Math.Pow(i + 1, exponent);
        }

        var memory = new MemoryTier(capacity, 1L << 36, TimeSpan.FromHours(1), TimeSpan.FromHours(6), bench.Time);
        var keys = Enumerable.Range(0, distinct).Select(i => VectorKey.Create("", $"query {i}", "zipf")).ToArray();
        var vector = new CachedVector([1f], 1);
        var hits = 0;
        for (var i = 0; i < requests; i++)
        {
            var place = Array.BinarySearch(cumulative, bench.Random.NextDouble() * sum);
            var key = keys[Math.Min(place < 0 ? ~place : place, distinct - 1)];
            if (memory.TryGet(key, out _))
            {
                hits++;
            }
            else
            {
                memory.Add(key, vector);
            }
        }

        return (double)hits / requests;
    }

    private async Task<bool> TryAsync(EmbedReplica replica, string[] texts, string workspace = "")
    {
        try
        {
            await replica.EmbedAsync(replica.Call(texts, workspace: workspace), Token).ConfigureAwait(false);
            return true;
        }
        catch (GatewayException)
        {
            return false;
        }
    }

    private async Task<bool> TryPostAsync(HttpClient http, byte[] body)
    {
        try
        {
            return await EmbedReplica.PostAsync(http, body, Token).ConfigureAwait(false);
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
