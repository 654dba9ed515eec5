using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Lab.Bench;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Drill;

/// <summary>
/// <c>rag drill search</c>: random filters against an oracle, looks into other workspaces, and writes that must be seen at once through another replica.
/// </summary>
internal sealed class SearchDrill(BenchContext bench, SearchDrillNode node)
{
    private const int AtOnce = 4;
    private const int Queries = 8;
    private const int MaxReported = 10;

    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(60);

    private int _reported;
    private int _done;
    private long _began;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var filters = new Option<int>("--filters") { Description = "Random filters.", HelpName = "N", DefaultValueFactory = _ => 10_000 };
        var probes = new Option<int>("--probes") { Description = "Looks into other workspaces.", HelpName = "N", DefaultValueFactory = _ => 100_000 };
        var writes = new Option<int>("--writes") { Description = "Writes that must be seen.", HelpName = "N", DefaultValueFactory = _ => 10_000 };
        var passages = new Option<int>("--passages")
        {
            Description = "Passages of the index that is churned; 0 to leave it out.", HelpName = "N", DefaultValueFactory = _ => 10_000,
        };
        return BenchCommand.Create(
            context,
            "search",
            "Random filters against an oracle, probes across workspaces, stale answers through a second replica, and indexes after churn.",
            [filters, probes, writes, passages],
            async bench =>
            {
                await using var node = await SearchDrillNode.StartAsync(bench).ConfigureAwait(false);
                var drill = new SearchDrill(bench, node);
                var parse = bench.Run.Parse;
                await drill.TryFiltersAsync(parse.GetValue(filters)).ConfigureAwait(false);
                await drill.ProbeAsync(parse.GetValue(probes)).ConfigureAwait(false);
                await drill.WriteAsync(parse.GetValue(writes)).ConfigureAwait(false);
                if (parse.GetValue(passages) > 0)
                {
                    await SearchDrillIndex.RunAsync(bench, parse.GetValue(passages)).ConfigureAwait(false);
                }
            });
    }

    // A page shows a whole workspace: without a filter, it is the order that all filtered answers must keep.
    private async Task TryFiltersAsync(int count)
    {
        var orders = new Dictionary<(int Workspace, SearchMode Mode, int Query), IReadOnlyList<SearchHit>>();
        var texts = Enumerable.Range(0, Queries).Select(_ => SearchDrillNode.Words(bench.Random, 4)).ToArray();
        for (var i = 0; i < SearchDrillNode.Workspaces * Queries; i++)
        {
            foreach (var mode in new[] { SearchMode.Vector, SearchMode.Keyword })
            {
                var (workspace, query) = (i / Queries, i % Queries);
                orders[(workspace, mode, query)] = (await SearchAsync(i, workspace, new(texts[query], mode, 200)).ConfigureAwait(false)).Hits;
            }
        }

        var (wrong, matching) = (0, 0);
        await ForEachAsync("filters", count, async (i, random) =>
        {
            var (workspace, query) = (random.Next(SearchDrillNode.Workspaces), random.Next(Queries));
            var mode = random.Next(2) == 0 ? SearchMode.Vector : SearchMode.Keyword;
            var filter = JsonElement.Parse(FilterOracle.RandomFilter(random, 3).ToJsonString());
            var limit = random.Next(3) == 0 ? 200 : random.Next(1, 30);
            var expected = orders[(workspace, mode, query)]
                .Where(hit => FilterOracle.Matches(filter, hit.DocumentId, default, node.Metadata[workspace][hit.DocumentId])).ToList();

            var answer = await SearchAsync(i, workspace, new(texts[query], mode, limit, Filter: filter, NoCache: true)).ConfigureAwait(false);

            Interlocked.Add(ref matching, expected.Count);
            if (!AreEqual(answer.Hits, expected, limit))
            {
                Interlocked.Increment(ref wrong);
                Report($"{mode} '{texts[query]}' in {workspace}, limit {limit}, filter {filter}: {answer.Hits.Count} of {expected.Count}");
            }
        }).ConfigureAwait(false);
        bench.Figures.Add("drill.search.filters", count);
        bench.Figures.Add("drill.search.filter_matches", count == 0 ? 0 : (double)matching / count, "", count == 0 ? "" : ">=5");
        bench.Figures.Add("drill.search.filter_wrong", wrong, "", "==0");
    }

    private async Task ProbeAsync(int count)
    {
        var foreign = 0;
        await ForEachAsync("probes", count, async (i, random) =>
        {
            var workspace = random.Next(SearchDrillNode.Workspaces);
            var other = (workspace + random.Next(1, SearchDrillNode.Workspaces)) % SearchDrillNode.Workspaces;
            var mode = random.GetItems<SearchMode>([SearchMode.Keyword, SearchMode.Keyword, SearchMode.Hybrid, SearchMode.Vector], 1)[0];
            var onlyOthers = mode == SearchMode.Keyword && random.Next(2) == 0;
            var text = onlyOthers ? SearchDrillNode.Secret(other) : $"{SearchDrillNode.Secret(other)} {SearchDrillNode.Words(random, 1)}";
            JsonElement? filter = random.Next(3) == 0
                ? JsonElement.Parse($$$"""{"$id": {"$in": ["{{{FilterOracle.RandomId(random)}}}", "{{{FilterOracle.RandomId(random)}}}"]}}""")
                : null;

            var answer = await SearchAsync(i, workspace, new(
                text, mode, random.Next(1, 12), Filter: filter, Highlight: random.Next(4) == 0, Neighbors: random.Next(2), Total: random.Next(3) == 0,
                GroupBy: random.Next(2) == 0 ? SearchGrouping.Document : SearchGrouping.Passage, NoCache: random.Next(10) == 0)).ConfigureAwait(false);

            var own = SearchDrillNode.Secret(workspace);
            var shown = answer.Hits.SelectMany(hit =>
                (hit.Highlights ?? []).Concat((hit.Neighbors ?? []).Select(n => n.Text)).Append(hit.Text)).ToList();
            var isForeign = answer.Hits.Any(hit => !hit.Text.Contains(own, StringComparison.Ordinal))
                || shown.Any(part => part.Contains("secret", StringComparison.Ordinal) && !part.Contains(own, StringComparison.Ordinal))
                || answer.Total > SearchDrillNode.Documents
                || (onlyOthers && (answer.Hits.Count > 0 || answer.Total > 0));
            if (isForeign)
            {
                Interlocked.Increment(ref foreign);
                Report($"{mode} '{text}' in {workspace}: {answer.Hits.Count} hits, total {answer.Total}");
            }
        }).ConfigureAwait(false);
        bench.Figures.Add("drill.search.probes", count);
        bench.Figures.Add("drill.search.foreign", foreign, "", "==0");
    }

    // Each lane has a document of its own, which is put, put again and deleted. Both replicas are asked before, so that they have something to be stale.
    private async Task WriteAsync(int count)
    {
        const int lanes = 2 * AtOnce;
        Begin();
        var stale = 0;
        await Task.WhenAll(Enumerable.Range(0, lanes).Select(async lane =>
        {
            var random = new Random((bench.Seed * 7919) + lane);
            var (id, name, current, version) = ($"lane{lane}", SearchDrillNode.Name(lane % SearchDrillNode.Workspaces), (string?)null, 0);
            for (var i = lane; i < count; i += lanes)
            {
                var writer = node.Replicas[random.Next(node.Replicas.Length)];
                var last = current;
                if (current is not null && random.Next(3) == 0)
                {
                    await writer.DeleteDocumentAsync(name, id, s_wait, bench.CancellationToken).ConfigureAwait(false);
                    current = null;
                }
                else
                {
                    current = string.Create(CultureInfo.InvariantCulture, $"lane{(char)('a' + lane)}v{++version}x");
                    await writer.PutDocumentAsync(name, id, new($"A {current} of its own."), s_wait, bench.CancellationToken).ConfigureAwait(false);
                }

                foreach (var replica in node.Replicas)
                {
                    var isStale = (last is not null && await CountAsync(replica, name, last).ConfigureAwait(false) != 0)
                        | (current is not null && await CountAsync(replica, name, current).ConfigureAwait(false) != 1);
                    if (isStale)
                    {
                        Interlocked.Increment(ref stale);
                        Report($"stale: {last ?? "nothing"} became {current ?? "nothing"} in {name}");
                    }
                }

                Advance("writes", count);
            }
        })).ConfigureAwait(false);
        bench.Figures.Add("drill.search.writes", count);
        bench.Figures.Add("drill.search.stale", stale, "", "==0");
    }

    private async Task<int> CountAsync(RagClient replica, string workspace, string word) =>
        (await replica.SearchAsync(workspace, new(word, SearchMode.Keyword), bench.CancellationToken).ConfigureAwait(false)).Hits.Count;

    // Equal scores may come in any order, and a page may end among them; what meets the filter and its score may not differ.
    private static bool AreEqual(IReadOnlyList<SearchHit> found, List<SearchHit> expected, int limit)
    {
        var scores = expected.ToDictionary(hit => hit.ChunkId, hit => hit.Score);
        return found.Count == Math.Min(limit, expected.Count)
            && found.DistinctBy(hit => hit.ChunkId).Count() == found.Count
            && found.Zip(expected).All(pair =>
                scores.TryGetValue(pair.First.ChunkId, out var score) && IsNear(score, pair.First.Score) && IsNear(pair.Second.Score, pair.First.Score));

        static bool IsNear(double a, double b) => Math.Abs(a - b) < 1e-6;
    }

    private Task<SearchResponse> SearchAsync(int i, int workspace, SearchRequest request) =>
        node.Replicas[i % node.Replicas.Length].SearchAsync(SearchDrillNode.Name(workspace), request, bench.CancellationToken);

    // The same seed makes the same requests, in whatever order they are sent.
    private Task ForEachAsync(string what, int count, Func<int, Random, Task> work)
    {
        Begin();
        return Parallel.ForEachAsync(
            Enumerable.Range(0, count),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = bench.CancellationToken },
            async (i, _) =>
            {
                await work(i, new Random((bench.Seed * 7919) + i)).ConfigureAwait(false);
                Advance(what, count);
            });
    }

    private void Begin() => (_began, _done) = (bench.Time.GetTimestamp(), 0);

    // A tenth at a time: on a busy machine the whole takes long.
    private void Advance(string what, int count)
    {
        var done = Interlocked.Increment(ref _done);
        if (done % Math.Max(1, count / 10) == 0)
        {
            bench.Progress(FormattableString.Invariant(
                $"{what}: {done} of {count}, {done / bench.Time.GetElapsedTime(_began).TotalSeconds:0} a second"));
        }
    }

    private void Report(string what)
    {
        if (Interlocked.Increment(ref _reported) <= MaxReported)
        {
            bench.Progress("WRONG: " + what);
        }
    }
}
