using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.Lab.Bench;
using RagPlatform.Lab.Figures;
using RagPlatform.Storage;
using RagPlatform.Storage.ReadModel;

namespace RagPlatform.Lab.Drill;

/// <summary>
/// The part of <c>rag drill search</c> that is about HNSW indexes: whether they find as much after half of the documents were replaced, after a restart of
/// PostgreSQL and in half precision, and whether anybody waits while a workspace gets an index of its own and loses it.
/// </summary>
internal sealed class SearchDrillIndex
{
    private const string Churned = "churned";
    private const string Promoted = "promoted";
    private const int BatchSize = 500;
    private const int Queries = 200;
    private const int Limit = 10;

    // What half a point is of recall.
    private const double MayLose = 0.005;

    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(4);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    private readonly BenchContext _bench;
    private readonly EphemeralNode _node;
    private readonly IServiceProvider _services;
    private readonly SearchBenchCorpus _corpus;
    private readonly IReadOnlyList<(string Text, int Topic)> _queries;
    private readonly int _passages;

    private SearchDrillIndex(BenchContext bench, EphemeralNode node, int passages)
    {
        (_bench, _node, _passages) = (bench, node, passages);
        _services = node.App.SearchApi.Services;
        _corpus = new(bench.Seed, 2 * passages);
        _queries = _corpus.Queries(Queries);
    }

    /// <summary>Runs it, on an instance of its own.</summary>
    /// <param name="bench">The run.</param>
    /// <param name="passages">Passages of the workspace that is churned; another one gets a third of that.</param>
    public static async Task RunAsync(BenchContext bench, int passages)
    {
        var node = await bench.StartNodeAsync(new()
        {
            LogLevel = LogLevel.Error,
            Durable = false,
            Settings = new Dictionary<string, string?>
            {
                ["Indexing:HnswMinRows"] = "1000",
                ["Indexing:ReplacedIndexDelay"] = "00:00:02",
                ["Search:StatisticsLifetime"] = "00:00:01",
                ["Search:PromotionInterval"] = "00:00:01",
                ["Search:PartialIndexChunks"] = (passages / 4).ToString(CultureInfo.InvariantCulture),
            },
        }).ConfigureAwait(false);
        var drill = new SearchDrillIndex(bench, node, passages);
        await drill.ChurnAsync().ConfigureAwait(false);
        await drill.PromoteAsync().ConfigureAwait(false);
    }

    private async Task ChurnAsync()
    {
        await _node.Client.CreateWorkspaceAsync(new(Churned), _bench.CancellationToken).ConfigureAwait(false);
        await PutAsync(Churned, _corpus.Documents(SearchBenchCorpus.Large)).ConfigureAwait(false);
        await WaitForPlanAsync(Churned, a => a.Plan == "hnsw").ConfigureAwait(false);
        var before = await RecallAsync("before").ConfigureAwait(false);
        _bench.Figures.Add("drill.search.recall_before", before, "", ">=0.99");

        // Half of the documents go; as many come, of the same ids and other texts.
        for (var i = 0; i < _passages; i += 2)
        {
            await _node.Client.DeleteDocumentAsync(Churned, Id(i), null, _bench.CancellationToken).ConfigureAwait(false);
        }

        await WaitUntilIndexedAsync(Churned).ConfigureAwait(false);
        var others = new SearchBenchCorpus(_bench.Seed + 1, 2 * _passages).Documents(SearchBenchCorpus.Large);
        await PutAsync(Churned, others.Where((_, i) => i % 2 == 0)).ConfigureAwait(false);
        var space = await SpaceAsync().ConfigureAwait(false);
        await new RawVectorProbe(_services.GetRequiredService<NpgsqlDataSource>()).VacuumAsync(space, _bench.CancellationToken).ConfigureAwait(false);
        _bench.Figures.Add(
            "drill.search.recall_after_churn", await RecallAsync("after churn and VACUUM").ConfigureAwait(false), "", Figure.AtLeast(before - MayLose));

        var postgres = _node.App.Postgres ?? throw new UnsoundRunException("PostgreSQL was not started by the drill, and cannot be started again");
        await postgres.StopAsync().ConfigureAwait(false);
        await postgres.StartAgainAsync(_bench.CancellationToken).ConfigureAwait(false);
        _bench.Figures.Add(
            "drill.search.recall_after_restart", await RecallAsync("after a restart").ConfigureAwait(false), "", Figure.AtLeast(before - MayLose));
        await HalveAsync(space, before).ConfigureAwait(false);
    }

    private async Task HalveAsync(SpaceRow space, double before)
    {
        var probe = new RawVectorProbe(_services.GetRequiredService<NpgsqlDataSource>());

        // As new as the other one: an index grows with what has come and gone.
        await probe.ReindexAsync(space, _bench.CancellationToken).ConfigureAwait(false);
        var full = await probe.GetIndexSizeAsync(space, half: false, _bench.CancellationToken).ConfigureAwait(false);
        var speed = await MeasureAsync().ConfigureAwait(false);
        await _services.GetRequiredService<SpaceStore>().SetHalfIndexAsync(space.Id, true, _bench.CancellationToken).ConfigureAwait(false);
        await WaitForPlanAsync(Churned, a => a.Plan == "hnsw" && a.Reason.Contains("half precision", StringComparison.Ordinal)).ConfigureAwait(false);
        var half = await probe.GetIndexSizeAsync(space, half: true, _bench.CancellationToken).ConfigureAwait(false);
        var halfSpeed = await MeasureAsync().ConfigureAwait(false);
        _bench.Progress(FormattableString.Invariant(
            $"index of {_passages} vectors: {full / 1e6:0.0} MB, median {speed:0.00} ms; of half precision {half / 1e6:0.0} MB, median {halfSpeed:0.00} ms"));
        _bench.Figures.Add("drill.search.half_index_size", full == 0 ? 1 : (double)half / full, "", "<=0.7");
        _bench.Figures.Add(
            "drill.search.recall_half_index", await RecallAsync("with an index of half precision").ConfigureAwait(false), "", Figure.AtLeast(before - MayLose));
        await _services.GetRequiredService<SpaceStore>().SetHalfIndexAsync(space.Id, false, _bench.CancellationToken).ConfigureAwait(false);
    }

    // Readers and writers go on while a workspace grows until it gets an index of its own, and is deleted. PostgreSQL says who waits for whom: on a
    // busy machine an answer may be late for other reasons.
    private async Task PromoteAsync()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_bench.CancellationToken);
        var (reads, writes) = (new List<double>(), new List<double>());
        await _node.Client.CreateWorkspaceAsync(new(Promoted), _bench.CancellationToken).ConfigureAwait(false);
        await PutAsync(Promoted, new SearchBenchCorpus(_bench.Seed + 2, 2 * (_passages / 3)).Documents(SearchBenchCorpus.Large), wait: false)
            .ConfigureAwait(false);
        var watching = WatchLocksAsync(stop.Token);
        var reading = RepeatAsync(reads, i => SearchAsync(i % 2 == 0 ? Churned : Promoted, i, SearchRecall.Balanced), stop.Token);
        var writing = RepeatAsync(
            writes,
            i => _node.Client.PutDocumentAsync(
                i % 2 == 0 ? Churned : Promoted, "written", new(FormattableString.Invariant($"Version {i} of it.")), null, _bench.CancellationToken),
            stop.Token);

        await WaitForPlanAsync(Promoted, a => a.Plan == "hnsw-workspace").ConfigureAwait(false);
        _bench.Progress("the workspace has an index of its own; deleting it");
        await _node.Client.DeleteWorkspaceAsync(Promoted, Promoted, _bench.CancellationToken).ConfigureAwait(false);
        var store = _services.GetRequiredService<PartialIndexStore>();
        await WaitUntilAsync(
            "the index of a deleted workspace was dropped",
            async () => (await store.ListSharesAsync(long.MaxValue, _bench.CancellationToken).ConfigureAwait(false)).Count == 0).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(reading, writing).ConfigureAwait(false);
        _bench.Progress(FormattableString.Invariant(
            $"meanwhile {reads.Count} searches took {reads.Max():0} ms at most, {writes.Count} writes {writes.Max():0} ms"));
        _bench.Figures.Add("drill.search.promotion_max_lock_ms", await watching.ConfigureAwait(false), "ms", "<=50");
    }

    private async Task<double> WatchLocksAsync(CancellationToken stop)
    {
        var probe = new RawVectorProbe(_services.GetRequiredService<NpgsqlDataSource>());
        var (longest, looks) = (0.0, 0);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (!stop.IsCancellationRequested)
        {
            var (waitMs, working) = await probe.FindIndexLockWaitAsync(CancellationToken.None).ConfigureAwait(false);
            longest = Math.Max(longest, waitMs);
            looks += working is null ? 0 : 1;
            seen.Add(working ?? "");
            await Task.Delay(s_pollInterval, _bench.Time, CancellationToken.None).ConfigureAwait(false);
        }

        _bench.Progress(FormattableString.Invariant($"looked for locks {looks} times while an index was built or dropped; longest wait {longest:0.0} ms"));
        return seen.Contains("CREATE") ? longest : throw new UnsoundRunException("nobody saw the index being built");
    }

    private async Task RepeatAsync(List<double> times, Func<int, Task> work, CancellationToken stop)
    {
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            try
            {
                times.Add(await _bench.MeasureAsync(() => work(i)).ConfigureAwait(false));
            }
            catch (RagApiException)
            {
                // The workspace was deleted a moment ago.
            }

            await Task.Delay(s_pollInterval, _bench.Time, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task<double> RecallAsync(string when)
    {
        var (found, wanted, byIndex, wrong) = (0, 0, 0, 0);
        var workspace = (await _services.GetRequiredService<WorkspaceStore>().FindAsync(Churned, _bench.CancellationToken).ConfigureAwait(false))!;
        var space = workspace.Serving;
        var vectors = new List<ReadOnlyMemory<float>>();
        foreach (var texts in _queries.Select(q => q.Text).Chunk(EmbeddingGatewayClient.MaxBatch))
        {
            vectors.AddRange(await _services.GetRequiredService<EmbeddingGatewayClient>().EmbedAsync(
                new(space.Model, space.Revision, space.Dimensions, space.Normalized, space.QueryPrompt, space.DocumentPrompt, space.MaxTokens, space.Lexical),
                space.Id, texts, EmbeddingInput.Query, Churned, _bench.CancellationToken).ConfigureAwait(false));
        }

        using var oracle = RagDbContext.Create(_services.GetRequiredService<NpgsqlDataSource>(), space);
        for (var i = 0; i < Queries; i++)
        {
            var near = await SearchAsync(Churned, i, SearchRecall.Balanced).ConfigureAwait(false);
            var truth = await SearchAsync(Churned, i, SearchRecall.Exact).ConfigureAwait(false);

            // By score: among vectors that are equally near, none is more right than another.
            var scores = await oracle.ListNearest(workspace.WorkspaceId, vectors[i]).Take(Limit).Select(n => 1 - n.Distance)
                .ToListAsync(_bench.CancellationToken).ConfigureAwait(false);
            var last = scores.Count == 0 ? 0 : scores[^1] - 1e-6;
            found += near.Hits.Count(h => h.Score >= last);
            wanted += scores.Count;
            wrong += truth.Hits.Count == scores.Count && truth.Hits.Zip(scores).All(pair => Math.Abs(pair.First.Score - pair.Second) < 1e-6) ? 0 : 1;
            byIndex += near.Plan == "hnsw" ? 1 : 0;
        }

        var recall = wanted == 0 ? 0 : (double)found / wanted;
        _bench.Progress(FormattableString.Invariant($"recall {when}: {recall:0.####}, {byIndex} of {Queries} by the index"));
        if (wrong > 0)
        {
            throw new UnsoundRunException($"{wrong} of {Queries} exact searches {when} did not find what comparing one by one finds");
        }

        return byIndex >= Queries * 0.9 ? recall : throw new UnsoundRunException($"only {byIndex} of {Queries} searches {when} used the index");
    }

    private async Task<double> MeasureAsync()
    {
        var times = new double[Queries];
        for (var i = 0; i < times.Length; i++)
        {
            times[i] = await _bench.MeasureAsync(() => SearchAsync(Churned, i, SearchRecall.Balanced)).ConfigureAwait(false);
        }

        return Percentiles.Median(times);
    }

    private Task<SearchResponse> SearchAsync(string workspace, int i, SearchRecall recall) => _node.Client.SearchAsync(
        workspace, new(_queries[i % Queries].Text, SearchMode.Vector, Limit, Recall: recall, NoCache: true), _bench.CancellationToken);

    private async Task PutAsync(string workspace, IEnumerable<BatchDocument> documents, bool wait = true)
    {
        foreach (var batch in documents.Chunk(BatchSize))
        {
            await _node.Client.PutDocumentsAsync(workspace, batch, null, _bench.CancellationToken).ConfigureAwait(false);
        }

        if (wait)
        {
            await WaitUntilIndexedAsync(workspace).ConfigureAwait(false);
        }
    }

    private Task WaitUntilIndexedAsync(string workspace) => WaitUntilAsync(
        "everything was indexed",
        async () => await _node.Client.GetIndexingAsync(workspace, _bench.CancellationToken).ConfigureAwait(false) is { Queued: 0, Retrying: 0 });

    private Task WaitForPlanAsync(string workspace, Func<SearchAlternative, bool> condition) => WaitUntilAsync(
        "the planner knew of the index",
        async () => (await _node.Client.SearchAsync(workspace, new("wait", SearchMode.Vector, Explain: true), _bench.CancellationToken)
            .ConfigureAwait(false)).Explanation!.Alternatives.Any(condition));

    private async Task WaitUntilAsync(string what, Func<Task<bool>> condition)
    {
        var began = _bench.Time.GetTimestamp();
        while (!await condition().ConfigureAwait(false))
        {
            if (_bench.Time.GetElapsedTime(began) > s_patience)
            {
                throw new UnsoundRunException(FormattableString.Invariant($"it took more than {s_patience.TotalMinutes} minutes until {what}"));
            }

            await Task.Delay(s_pause, _bench.Time, _bench.CancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<SpaceRow> SpaceAsync() =>
        (await _services.GetRequiredService<WorkspaceStore>().FindAsync(Churned, _bench.CancellationToken).ConfigureAwait(false))!.Serving;

    private static string Id(int i) => "d" + i.ToString(CultureInfo.InvariantCulture);
}
