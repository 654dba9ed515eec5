using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Search;

public sealed class HalfIndexTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly VectorSearch _search = new(database.DataSource);
    private readonly VectorIndexStore _indexes = new(database.DataSource);
    private readonly PlannerStore _planner = new(database.DataSource);
    private readonly SpaceStore _spaces = new(database.DataSource);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ensure_OfASpaceThatWantsHalfPrecision_ReplacesTheIndexAndKeepsRecall()
    {
        const int dimensions = 64;
        var (corpus, vectors) = await CreateAsync("half", 2_000, dimensions);
        var space = corpus.Workspace.Serving;
        Assert.NotNull(await _indexes.EnsureAsync(space, 100, null, _ => { }, Cancelled));
        var fullRecall = await RecallAsync(corpus, vectors, dimensions, half: false);
        var fullSize = await SizeAsync(space.VectorTable + "_hnsw");

        Assert.False(await _spaces.SetHalfIndexAsync("nothing", true, Cancelled));
        Assert.True(await _spaces.SetHalfIndexAsync(space.Id, true, Cancelled));
        var wanting = (await _spaces.FindAsync(space.Id, Cancelled))!;
        Assert.Equal((true, "vector"), (wanting.WantsHalfIndex, wanting.VectorType));
        Assert.False((await _planner.GetStatisticsAsync(corpus.WorkspaceId, wanting, Cancelled)).HalfIndex);
        Assert.False(await _indexes.HasObsoleteAsync(wanting, Cancelled));
        Assert.NotNull(await _indexes.EnsureAsync(wanting, 100, null, _ => { }, Cancelled));
        Assert.Null(await _indexes.EnsureAsync(wanting, 100, null, _ => { }, Cancelled));

        // Both are there: the one that is wanted is used, and only then the other goes.
        Assert.True((await _planner.GetStatisticsAsync(corpus.WorkspaceId, wanting, Cancelled)).HalfIndex);
        Assert.False((await _planner.GetStatisticsAsync(corpus.WorkspaceId, space, Cancelled)).HalfIndex);
        Assert.True(await _indexes.HasObsoleteAsync(wanting, Cancelled));
        await _indexes.DropObsoleteAsync(wanting, Cancelled);
        Assert.False(await _indexes.HasObsoleteAsync(wanting, Cancelled));
        var statistics = await _planner.GetStatisticsAsync(corpus.WorkspaceId, wanting, Cancelled);
        Assert.Equal((true, true), (statistics.HasIndex, statistics.HalfIndex));

        var halfSize = await SizeAsync($"hnsw_half_{space.SpaceId}");
        Assert.True(halfSize < fullSize, $"{halfSize} and {fullSize} bytes");
        var halfRecall = await RecallAsync(corpus, vectors, dimensions, half: true);
        Assert.True(halfRecall >= fullRecall - 0.02, $"{halfRecall} and {fullRecall}");
    }

    [Fact]
    public async Task Find_ByAnIndexOfHalfPrecision_GivesDistancesOfFullPrecisionFromTheIndex()
    {
        var (corpus, vectors) = await CreateAsync("precise", 300, 48);
        var space = corpus.Workspace.Serving with { HalfIndex = true };
        await _indexes.EnsureAsync(space, 100, null, _ => { }, Cancelled);
        var before = await ScansAsync(space);

        var query = new VectorQuery(corpus.WorkspaceId, space, vectors[3].Vector, null, 20, 200, 60, HalfIndex: true);
        var near = (await _search.FindAsync(query, VectorPlan.Hnsw, withPassages: false, Cancelled)).Hits;

        var exact = (await _search.FindAsync(query with { Limit = 300 }, VectorPlan.ExactWorkspace, withPassages: false, Cancelled)).Hits;
        var distances = exact.ToDictionary(h => h.ChunkId, h => h.Distance);
        Assert.Equal((20, vectors[3].ChunkId), (near.Count, near[0].ChunkId));
        Assert.All(near, hit => Assert.Equal(distances[hit.ChunkId], hit.Distance));
        Assert.Equal(near.Select(h => h.Distance).Order(), near.Select(h => h.Distance));

        // PostgreSQL counts what was scanned a moment after the transaction.
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await ScansAsync(space) == before)
        {
            await Task.Delay(50, limit.Token);
        }
    }

    [Fact]
    public async Task Promotion_OfAWorkspace_FollowsThePrecisionAndTheWorkspacesEnd()
    {
        var (corpus, vectors) = await CreateAsync("promoted", 300, 32);
        await CreateAsync("promoted-others", 700, 32);
        var space = corpus.Workspace.Serving;
        await corpus.ExecuteAsync($"ANALYZE {space.VectorTable}", Cancelled, parameters: false);
        var time = new ManualTime();
        var promotion = Promote(250, time);
        var store = new PartialIndexStore(database.DataSource);

        await FinishAsync(promotion);
        var share = (await store.ListSharesAsync(250, Cancelled)).Single(s => s.WorkspaceId == corpus.WorkspaceId);
        Assert.Equal((300, true, new PartialIndexRow(false, true, true)), (share.Chunks, share.IsServed, Assert.Single(share.Indexes)));
        var statistics = await _planner.GetStatisticsAsync(corpus.WorkspaceId, space, Cancelled);
        Assert.Equal((true, false), (statistics.HasPartialIndex, statistics.HalfPartialIndex));

        // The other precision is built beside it, and replaces it when everybody has had time to notice.
        await _spaces.SetHalfIndexAsync(space.Id, true, Cancelled);
        await FinishAsync(promotion);
        Assert.Equal(2, await CountIndexesAsync(space, corpus.WorkspaceId));
        Assert.False(await promotion.StepAsync(Cancelled));
        time.Advance(TimeSpan.FromMinutes(2));
        await FinishAsync(promotion);
        Assert.Equal(1, await CountIndexesAsync(space, corpus.WorkspaceId));
        var wanting = (await _spaces.FindAsync(space.Id, Cancelled))!;
        Assert.True((await _planner.GetStatisticsAsync(corpus.WorkspaceId, wanting, Cancelled)).HalfPartialIndex);
        var (hits, candidates) = await _search.FindAsync(
            new(corpus.WorkspaceId, wanting, vectors[7].Vector, null, 5, Scan: 20, HalfIndex: true), VectorPlan.PartialHnsw, withPassages: false, Cancelled);
        Assert.Equal((vectors[7].ChunkId, 5, 20), (hits[0].ChunkId, hits.Count, candidates));

        // Deleted: at once, and also when its rows are purged already.
        await new WorkspaceStore(database.DataSource).DeleteAsync(corpus.Workspace.Name, Cancelled);
        await FinishAsync(promotion);
        Assert.Equal(0, await CountIndexesAsync(space, corpus.WorkspaceId));
        await store.CreateAsync(corpus.WorkspaceId, wanting, Cancelled);
        while (await new WorkspaceStore(database.DataSource).PurgeAsync(100, Cancelled) > 0)
        {
        }

        await FinishAsync(promotion);
        Assert.Equal(0, await CountIndexesAsync(space, corpus.WorkspaceId));
    }

    [Fact]
    public async Task Create_WhileSomebodyElseIsAtTheIndexesOfTheSpace_IsPutOff()
    {
        var (corpus, _) = await CreateAsync("busy", 120, 28);
        var space = corpus.Workspace.Serving;
        var store = new PartialIndexStore(database.DataSource);
        await using (await VectorIndexLock.TryTakeAsync(database.DataSource, space, Cancelled))
        {
            Assert.False(await store.CreateAsync(corpus.WorkspaceId, space, Cancelled));
            Assert.False(await store.DropAsync(corpus.WorkspaceId, space, half: false, Cancelled));
            Assert.Null(await _indexes.EnsureAsync(space, 100, null, _ => { }, Cancelled));
            Assert.False(await _indexes.DropObsoleteAsync(space, Cancelled));
        }

        // A second build that had to wait for the first would make it fail.
        var partial = store.CreateAsync(corpus.WorkspaceId, space, Cancelled);
        var whole = _indexes.EnsureAsync(space, 100, null, _ => { }, Cancelled);
        Assert.True(await whole is not null | await partial);
        await store.DropAsync(corpus.WorkspaceId, space, half: false, Cancelled);
    }

    [Fact]
    public async Task Promotion_SwitchedOff_DropsWhatIsThere()
    {
        var (corpus, _) = await CreateAsync("off", 50, 24);
        await new PartialIndexStore(database.DataSource).CreateAsync(corpus.WorkspaceId, corpus.Workspace.Serving, Cancelled);

        await FinishAsync(Promote(0, TimeProvider.System));
        Assert.Equal(0, await CountIndexesAsync(corpus.Workspace.Serving, corpus.WorkspaceId));
    }

    [Fact]
    public async Task Ensure_OfMoreThan2000Dimensions_IndexesWhatIsStoredInHalfPrecision()
    {
        const int dimensions = 2_100;
        var (corpus, vectors) = await CreateAsync("wide", 120, dimensions);
        var space = corpus.Workspace.Serving with { HalfIndex = true };
        Assert.Equal(("halfvec", false), (space.VectorType, space.WantsHalfIndex));

        Assert.NotNull(await _indexes.EnsureAsync(space, 100, null, _ => { }, Cancelled));
        await new PartialIndexStore(database.DataSource).CreateAsync(corpus.WorkspaceId, space, Cancelled);

        var statistics = await _planner.GetStatisticsAsync(corpus.WorkspaceId, space, Cancelled);
        Assert.Equal((true, true, false, false), (statistics.HasIndex, statistics.HasPartialIndex, statistics.HalfIndex, statistics.HalfPartialIndex));
        foreach (var plan in Enum.GetValues<VectorPlan>())
        {
            var query = new VectorQuery(corpus.WorkspaceId, space, vectors[5].Vector, null, 10, 100, 100);
            var hits = (await _search.FindAsync(query, plan, withPassages: false, Cancelled)).Hits;
            Assert.Equal((10, vectors[5].ChunkId), (hits.Count, hits[0].ChunkId));
        }
    }

    private async Task<double> RecallAsync(SearchCorpus corpus, List<(long ChunkId, float[] Vector)> vectors, int dimensions, bool half)
    {
        var random = new Random(5);
        double found = 0;
        const int queries = 40;
        for (var i = 0; i < queries; i++)
        {
            var near = vectors[random.Next(vectors.Count)].Vector;
            var query = new VectorQuery(
                corpus.WorkspaceId, corpus.Workspace.Serving, [.. near.Zip(SearchCorpus.RandomVector(random, dimensions), (a, b) => a + (b / 2))],
                null, 10, 400, 40, HalfIndex: half);
            var hits = (await _search.FindAsync(query, VectorPlan.Hnsw, withPassages: false, Cancelled)).Hits;
            var truth = (await _search.FindAsync(query, VectorPlan.ExactWorkspace, withPassages: false, Cancelled)).Hits;
            found += hits.Count(h => truth.Any(t => t.ChunkId == h.ChunkId));
        }

        return found / (10 * queries);
    }

    private IndexPromotion Promote(int chunks, TimeProvider time) => new(
        new(database.DataSource), null!, Options.Create(new SearchOptions { PartialIndexChunks = chunks }), time, NullLogger<IndexPromotion>.Instance);

    // Other tests of the class have left something to be done as well.
    private static async Task FinishAsync(IndexPromotion promotion)
    {
        Assert.True(await promotion.StepAsync(Cancelled));
        while (await promotion.StepAsync(Cancelled))
        {
        }
    }

    private Task<long> SizeAsync(string index) => ScalarAsync($"SELECT pg_relation_size('{index}')");

    private Task<long> ScansAsync(SpaceRow space) =>
        ScalarAsync($"SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'hnsw_half_{space.SpaceId}'");

    private Task<long> CountIndexesAsync(SpaceRow space, int workspaceId) => ScalarAsync(
        $"SELECT count(*) FROM pg_class WHERE relname IN ('hnsw_{space.SpaceId}_{workspaceId}', 'hnsw_half_{space.SpaceId}_{workspaceId}')");

    private async Task<long> ScalarAsync(string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync(Cancelled))!;
    }

    private async Task<(SearchCorpus Corpus, List<(long ChunkId, float[] Vector)> Vectors)> CreateAsync(string name, int count, int dimensions)
    {
        var random = new Random(dimensions);
        var corpus = await SearchCorpus.CreateAsync(database, name, "english", Cancelled, dimensions);
        await corpus.PutAsync([.. Enumerable.Range(0, count).Select(i => new DocumentInput("d" + i, "", "", "{}", 1))], Cancelled);
        var ids = await corpus.AddChunksAsync([.. Enumerable.Range(0, count).Select(i => ("d" + i, 0, "text " + i))], Cancelled);
        var vectors = ids.Select(id => (ChunkId: id, Vector: SearchCorpus.RandomVector(random, dimensions))).ToList();
        await corpus.AddVectorsAsync(vectors, Cancelled);

        // Nobody works on them here, and an index waits as long as much is coming in.
        await corpus.ExecuteAsync("DELETE FROM tasks WHERE workspace_id = $1", Cancelled);
        return (corpus, vectors);
    }

    private sealed class ManualTime : TimeProvider
    {
        private TimeSpan _elapsed;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(TimeSpan by) => _elapsed += by;

        public override long GetTimestamp() => _elapsed.Ticks;
    }
}
