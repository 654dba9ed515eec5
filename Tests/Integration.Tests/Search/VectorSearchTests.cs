using System.Text.Json;
using Npgsql;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Search;

public sealed class VectorSearchTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly VectorSearch _search = new(database.DataSource);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Find_ByEveryPlan_FindsTheNearestThatMeetTheFilter()
    {
        var random = new Random(21);
        var (corpus, vectors) = await CreateAsync("plans", random, 1500);
        await CreateAsync("plans-other", random, 500);
        await corpus.ExecuteAsync(
            $"CREATE INDEX ON {corpus.Workspace.Serving.VectorTable} USING hnsw (embedding vector_cosine_ops)", Cancelled, parameters: false);
        var statistics = await new PlannerStore(database.DataSource).GetStatisticsAsync(corpus.WorkspaceId, corpus.Workspace.Serving, Cancelled);
        Assert.Equal((1500, 1, true, false), (statistics.Chunks, statistics.ChunksADocument, statistics.HasIndex, statistics.HasPartialIndex));
        Assert.InRange(statistics.Sample.Distinct().Count(), 100, 300);

        foreach (var (json, condition) in Filters())
        {
            var filter = json is null ? null : FilterParser.Parse(JsonElement.Parse(json), out _);
            var candidates = vectors.Where(v => condition(v.Number)).ToList();
            double found = 0, wanted = 0;
            for (var i = 0; i < 20; i++)
            {
                var query = SearchCorpus.RandomVector(random);
                var expected = candidates.OrderBy(v => Distance(v.Vector, query)).Take(10).Select(v => v.ChunkId).ToList();
                foreach (var plan in new[] { VectorPlan.ExactWorkspace, VectorPlan.ExactFilterFirst })
                {
                    var exact = await _search.FindAsync(
                        new(corpus.WorkspaceId, corpus.Workspace.Serving, query, filter, 10), plan, withPassages: false, Cancelled);
                    Assert.Equal(expected, exact.Hits.Select(h => h.ChunkId));
                }

                var near = (await _search.FindAsync(
                    new(corpus.WorkspaceId, corpus.Workspace.Serving, query, filter, 10, EfSearch: 1000, Scan: 2000), VectorPlan.Hnsw, withPassages: true, Cancelled)).Hits;
                Assert.Equal(near.Select(h => h.Distance).Order(), near.Select(h => h.Distance));
                Assert.All(near, h => Assert.True(condition(int.Parse(h.Passage!.DocumentId.AsSpan(1), null))));
                found += near.Count(h => expected.Contains(h.ChunkId));
                wanted += expected.Count;
            }

            // HNSW is approximate, and its graph another one at each run. Of two among random vectors some are out of its reach: no plan relies on it there.
            Assert.True(found >= (candidates.Count < 10 ? 0.5 : 0.9) * wanted, $"{json}: {found} of {wanted}");
        }
    }

    [Fact]
    public async Task Find_AfterADocumentIsDeleted_DoesNotFindIt()
    {
        var random = new Random(22);
        var (corpus, vectors) = await CreateAsync("deleted", random, 20);
        await corpus.DeleteAsync("d" + vectors[0].Number, Cancelled);

        var (hits, _) = await _search.FindAsync(
            new(corpus.WorkspaceId, corpus.Workspace.Serving, vectors[0].Vector, null, 100), VectorPlan.ExactWorkspace, withPassages: true, Cancelled);

        Assert.Equal(19, hits.Count);
        Assert.DoesNotContain(vectors[0].ChunkId, hits.Select(h => h.ChunkId));
    }

    [Fact]
    public async Task Find_ThatFails_LeavesTheConnectionUsable()
    {
        var random = new Random(23);
        var (corpus, vectors) = await CreateAsync("failing", random, 5);
        await using var single = StorageDataSource.Create(database.ConnectionString + ";Maximum Pool Size=1;No Reset On Close=true");
        var search = new VectorSearch(single);
        var query = new VectorQuery(corpus.WorkspaceId, corpus.Workspace.Serving, [1, 2], null, 10);

        await Assert.ThrowsAsync<PostgresException>(() => search.FindAsync(query, VectorPlan.Hnsw, withPassages: false, Cancelled));

        Assert.Equal(5, (await search.FindAsync(query with { Vector = vectors[0].Vector }, VectorPlan.ExactWorkspace, false, Cancelled)).Hits.Count);
        await using var setting = single.CreateCommand("SHOW enable_sort");
        Assert.Equal("on", await setting.ExecuteScalarAsync(Cancelled));
    }

    private static IEnumerable<(string? Json, Func<int, bool> Condition)> Filters()
    {
        yield return (null, _ => true);
        yield return ("""{"half": 1}""", n => n % 2 == 1);
        yield return ("""{"number": {"$lt": 150}}""", n => n < 150);
        yield return ("""{"number": {"$lt": 15}}""", n => n < 15);
        yield return ("""{"number": {"$in": [3, 900]}}""", n => n is 3 or 900);
        yield return ("""{"number": -1}""", _ => false);
    }

    private async Task<(SearchCorpus Corpus, List<(int Number, long ChunkId, float[] Vector)> Vectors)> CreateAsync(
        string name, Random random, int count)
    {
        var corpus = await SearchCorpus.CreateAsync(database, name, "english", Cancelled);
        await corpus.PutAsync(
            [.. Enumerable.Range(0, count).Select(i => new DocumentInput("d" + i, "", "", $$$"""{"number": {{{i}}}, "half": {{{i % 2}}}}""", 1))], Cancelled);
        var ids = await corpus.AddChunksAsync([.. Enumerable.Range(0, count).Select(i => ("d" + i, 0, "text " + i))], Cancelled);
        var vectors = ids.Select((id, i) => (Number: i, ChunkId: id, Vector: SearchCorpus.RandomVector(random))).ToList();
        await corpus.AddVectorsAsync([.. vectors.Select(v => (v.ChunkId, v.Vector))], Cancelled);
        return (corpus, vectors);
    }

    private static double Distance(float[] a, float[] b)
    {
        double dot = 0, aa = 0, bb = 0;
        for (var i = 0; i < a.Length; i++)
        {
            dot += a[i] * b[i];
            aa += a[i] * a[i];
            bb += b[i] * b[i];
        }

        return 1 - (dot / Math.Sqrt(aa * bb));
    }
}
