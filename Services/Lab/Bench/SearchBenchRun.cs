using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.Lab.Figures;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.Lab.Bench;

/// <summary>The measurements of <c>rag bench search</c>, on a node whose documents are indexed.</summary>
internal sealed class SearchBenchRun(BenchContext bench, EphemeralNode node, SearchBenchCorpus corpus, int queries, double rate)
{
    private const int Limit = 10;
    private const int Concurrent = 500;

    private readonly IReadOnlyList<(string Text, int Topic)> _queries = corpus.Queries(queries);
    private readonly IServiceProvider _services = node.App.SearchApi.Services;
    private int _incomplete;
    private int _poolMax;

    private static string Large => SearchBenchCorpus.Large;

    /// <summary>Measures everything.</summary>
    public async Task RunAsync()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(bench.CancellationToken);
        var watching = WatchPoolAsync(stop.Token);

        // Embeds each query once: what follows finds them in the embedding cache.
        foreach (var (text, _) in _queries)
        {
            await SearchAsync(new(text, SearchMode.Hybrid, NoCache: true)).ConfigureAwait(false);
        }

        await MeasureRecallAsync().ConfigureAwait(false);
        await MeasureLayersAsync().ConfigureAwait(false);
        await MeasureKeywordAsync().ConfigureAwait(false);
        await MeasureCacheAsync().ConfigureAwait(false);
        await MeasureLoadAsync().ConfigureAwait(false);
        bench.Figures.Add("search.incomplete", _incomplete, "", "==0");
        await stop.CancelAsync().ConfigureAwait(false);
        await watching.ConfigureAwait(false);
        bench.Figures.Add("search.pool_max", _poolMax, "", "<=20");
    }

    private async Task MeasureRecallAsync()
    {
        var worst = 0.0;
        foreach (var (name, filter) in SearchBenchCorpus.Selectivities)
        {
            var recall = await RecallAsync(_ => filter).ConfigureAwait(false);
            bench.Figures.Add($"search.recall_{name}", recall, "", ">=0.99");
            var latencies = await OpenLoop.RunAsync(
                bench.Time, rate, queries, i => SearchAsync(Request(i, SearchMode.Vector, filter)), bench.CancellationToken).ConfigureAwait(false);
            worst = Math.Max(worst, Percentiles.Of(latencies, 95));
            bench.Progress(FormattableString.Invariant(
                $"selectivity {name}: recall {recall:0.####}, p50 {Percentiles.Median(latencies):0.0} ms, p95 {Percentiles.Of(latencies, 95):0.0} ms"));
        }

        bench.Figures.Add(
            "search.recall_anticorrelated", await RecallAsync(i => SearchBenchCorpus.Against(_queries[i].Topic)).ConfigureAwait(false), "", ">=0.99");
        bench.Figures.Add("search.filtered_p95_ms", worst, "ms", "<=15");
    }

    private async Task<double> RecallAsync(Func<int, string?> filter)
    {
        double found = 0, wanted = 0;
        var plans = new Dictionary<string, int>();
        for (var i = 0; i < Math.Min(queries, 100); i++)
        {
            var request = Request(i, SearchMode.Vector, filter(i));
            var near = await SearchAsync(request).ConfigureAwait(false);
            var truth = await SearchAsync(request with { Recall = SearchRecall.Exact }).ConfigureAwait(false);

            // By score: among vectors that are equally near, none is more right than another.
            var last = truth.Hits.Count == 0 ? 0 : truth.Hits[^1].Score - 1e-6;
            found += near.Hits.Count(h => h.Score >= last);
            wanted += truth.Hits.Count;
            _incomplete += near.Hits.Count == truth.Hits.Count ? 0 : 1;
            plans[near.Plan] = plans.GetValueOrDefault(near.Plan) + 1;
        }

        bench.Progress("plans: " + string.Join(", ", plans.Select(p => $"{p.Key} {p.Value}")));
        return wanted == 0 ? 1 : found / wanted;
    }

    private async Task MeasureLayersAsync()
    {
        var row = (await _services.GetRequiredService<WorkspaceStore>().FindAsync(Large, bench.CancellationToken).ConfigureAwait(false))!;
        var embeddings = _services.GetRequiredService<EmbeddingGatewayClient>();
        var space = row.Serving;
        var vectors = new List<float[]>();
        foreach (var (text, _) in _queries)
        {
            var embedded = await embeddings.EmbedAsync(
                new(space.Model, space.Revision, space.Dimensions, space.Normalized, space.QueryPrompt, space.DocumentPrompt, space.MaxTokens, space.Lexical),
                space.Id, [text], EmbeddingInput.Query, Large, bench.CancellationToken).ConfigureAwait(false);
            vectors.Add(embedded[0].ToArray());
        }

        // The same statement: with as many candidates as the plan has.
        var plan = await _services.GetRequiredService<QueryPlanner>().PlanAsync(
            row.WorkspaceId, space, null, "", Limit, SearchRecall.Balanced, bench.CancellationToken).ConfigureAwait(false);
        var ef = Math.Max(Limit, plan.Ef);
        var probe = new RawVectorProbe(_services.GetRequiredService<NpgsqlDataSource>());
        var store = _services.GetRequiredService<VectorSearch>();
        var searcher = _services.GetRequiredService<Searcher>();
        // In turns, so that what else goes on in the machine meets all alike, and each as often first as the others: the first one warms what it reads.
        Func<int, Task>[] layers =
        [
            i => probe.FindAsync(row.WorkspaceId, space, vectors[i], Limit, ef, bench.CancellationToken),
            i => store.FindAsync(
                new(row.WorkspaceId, space, vectors[i], null, Limit, ef, Math.Max(Limit, plan.Scan)), plan.Plan, withPassages: true, bench.CancellationToken),
            i => searcher.SearchAsync(
                SearchRequestReader.Read(row, Request(i, SearchMode.Vector, null), out _), vectors[i], 1, new(bench.Time), bench.CancellationToken),
            i => SearchAsync(Request(i, SearchMode.Vector, null)),
        ];
        var times = layers.Select(_ => new double[queries]).ToArray();
        for (var i = 0; i < queries; i++)
        {
            for (var turn = 0; turn < layers.Length; turn++)
            {
                var layer = (i + turn) % layers.Length;
                times[layer][i] = await bench.MeasureAsync(() => layers[layer](i)).ConfigureAwait(false);
            }
        }

        var (raw, byStore, bySearcher, byHttp) = (times[0], times[1], times[2], times[3]);
        var exact = await TimeAsync(
            i => probe.FindAsync(row.WorkspaceId, space, vectors[i], Limit, 0, bench.CancellationToken), 20).ConfigureAwait(false);

        bench.Progress(Describe("raw SQL", raw));
        bench.Progress(Describe("store", byStore));
        bench.Progress(Describe("searcher", bySearcher));
        bench.Progress(Describe("HTTP", byHttp));
        bench.Progress(Describe("raw SQL without index", exact));
        bench.Figures.Add("search.vector_p50_ratio", Percentiles.Median(byHttp) / Percentiles.Median(raw), "", "<=1.5");
        bench.Figures.Add("search.vector_p95_ratio", Percentiles.Of(byHttp, 95) / Percentiles.Of(raw, 95), "", "<=2");
        bench.Figures.Add("search.hnsw_speedup", Percentiles.Median(exact) / Percentiles.Median(raw), "", ">=10");
    }

    private async Task MeasureKeywordAsync()
    {
        await AddLatencyAsync("search.hybrid_p95_ms", "<=25", i => Request(i, SearchMode.Hybrid, null)).ConfigureAwait(false);
        await AddLatencyAsync("search.bm25_p95_ms", "<=15", i => Request(i, SearchMode.Keyword, null)).ConfigureAwait(false);
        await AddLatencyAsync(
            "search.bm25_common_p95_ms",
            "<=30",
            i => Request(i, SearchMode.Keyword, null) with { Query = $"{SearchBenchCorpus.CommonWord} {_queries[i].Text}" }).ConfigureAwait(false);
    }

    private async Task AddLatencyAsync(string figure, string goal, Func<int, SearchRequest> request)
    {
        var latencies = await OpenLoop.RunAsync(bench.Time, rate, queries, i => SearchAsync(request(i)), bench.CancellationToken).ConfigureAwait(false);
        bench.Progress(Describe(figure, latencies));
        bench.Figures.Add(figure, Percentiles.Of(latencies, 95), "ms", goal);
    }

    private async Task MeasureCacheAsync()
    {
        await SearchAsync(new("a query that is cached")).ConfigureAwait(false);
        var hits = await TimeAsync(_ => SearchAsync(new("a query that is cached"))).ConfigureAwait(false);
        bench.Progress(Describe("cache hit", hits));
        bench.Figures.Add("search.cache_hit_p50_ms", Percentiles.Median(hits), "ms", "<=1");

        // A trace as users leave it: few queries often, many once (Zipf). Valkey may remember those of an earlier run.
        var random = new Random(bench.Seed);
        var trace = bench.Time.GetTimestamp();
        var cached = 0;
        for (var i = 0; i < 1000; i++)
        {
            var rank = (int)(queries * Math.Pow(random.NextDouble(), 4));
            cached += (await SearchAsync(new($"{trace} {_queries[rank].Text}")).ConfigureAwait(false)).Cached ? 1 : 0;
        }

        bench.Figures.Add("search.repeat_hit_rate", cached / 1000.0, "", ">=0.8");
    }

    private async Task MeasureLoadAsync()
    {
        var errors = 0;
        var began = bench.Time.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Concurrent).Select(async i =>
        {
            try
            {
                await SearchAsync(Request(i % queries, SearchMode.Hybrid, null)).ConfigureAwait(false);
            }
            catch (Exception e) when (e is RagApiException or HttpRequestException or TaskCanceledException)
            {
                bench.Progress("failed: " + e.Message);
                Interlocked.Increment(ref errors);
            }
        })).ConfigureAwait(false);
        bench.Figures.Add("search.concurrent500_errors", errors, "", "==0");
        bench.Figures.Add("search.qps", Concurrent / bench.Time.GetElapsedTime(began).TotalSeconds, "1/s");
    }

    private async Task WatchPoolAsync(CancellationToken cancellationToken)
    {
        // Of the search API's pool: PostgreSQL knows each service by its application's name.
        var application = new NpgsqlConnectionStringBuilder(_services.GetRequiredService<NpgsqlDataSource>().ConnectionString).ApplicationName;
        var probe = new RawVectorProbe(_services.GetRequiredService<NpgsqlDataSource>());
        while (!cancellationToken.IsCancellationRequested)
        {
            _poolMax = Math.Max(_poolMax, await probe.CountConnectionsAsync(application ?? "", CancellationToken.None).ConfigureAwait(false));
            await Task.Delay(TimeSpan.FromMilliseconds(250), bench.Time, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task<double[]> TimeAsync(Func<int, Task> work, int count = 0)
    {
        var times = new double[count > 0 ? count : queries];
        for (var i = 0; i < times.Length; i++)
        {
            times[i] = await bench.MeasureAsync(() => work(i)).ConfigureAwait(false);
        }

        return times;
    }

    private static string Describe(string what, double[] times) => FormattableString.Invariant(
        $"{what}: p50 {Percentiles.Median(times):0.00} ms, p95 {Percentiles.Of(times, 95):0.00} ms, p99 {Percentiles.Of(times, 99):0.00} ms");

    private SearchRequest Request(int i, SearchMode mode, string? filter) =>
        new(_queries[i].Text, mode, Limit, Filter: filter is null ? null : JsonElement.Parse(filter), NoCache: true);

    private Task<SearchResponse> SearchAsync(SearchRequest request) => node.Client.SearchAsync(Large, request, bench.CancellationToken);
}
