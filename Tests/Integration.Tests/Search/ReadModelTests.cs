using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;
using RagPlatform.Storage.ReadModel;

namespace RagPlatform.Integration.Tests.Search;

public sealed class ReadModelTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly VectorSearch _search = new(database.DataSource);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(16)]
    [InlineData(2001)]
    public async Task ListNearest_InSpacesOfBothTypes_AgreesWithExactSearch(int dimensions)
    {
        var random = new Random(dimensions);
        var corpus = await CreateAsync($"nearest-{dimensions}", dimensions, 60, random);
        var space = corpus.Workspace.Serving;
        Assert.Equal(dimensions > 2000 ? "halfvec" : "vector", space.VectorType);
        await using var context = RagDbContext.Create(database.DataSource, space);
        for (var i = 0; i < 5; i++)
        {
            var query = SearchCorpus.RandomVector(random, dimensions);
            var all = await context.ListNearest(corpus.WorkspaceId, query).Take(10).ToListAsync(Cancelled);
            var even = await context.ListNearest(corpus.WorkspaceId, query, d => EF.Functions.JsonContains(d.Metadata, """{"half": 0}"""))
                .Take(10).ToListAsync(Cancelled);

            Assert.Equal(10, all.Count);
            Assert.NotEqual(all, even);
            Assert.Equal(all, await FindAsync(corpus, query, null, VectorPlan.ExactWorkspace));
            Assert.Equal(even, await FindAsync(corpus, query, """{"half": 0}""", VectorPlan.ExactWorkspace));
            Assert.Equal(even, await FindAsync(corpus, query, """{"half": 0}""", VectorPlan.ExactFilterFirst));
        }
    }

    [Fact]
    public async Task ListNearest_WhereThereIsAnIndex_ComparesOneByOne()
    {
        var corpus = await CreateAsync("one-by-one", 8, 10, new Random(1));
        await using var context = RagDbContext.Create(database.DataSource, corpus.Workspace.Serving);
        await corpus.ExecuteAsync(
            $"CREATE INDEX ON {corpus.Workspace.Serving.VectorTable} USING hnsw (embedding vector_cosine_ops)", Cancelled, parameters: false);

        var sql = context.ListNearest(corpus.WorkspaceId, new float[8]).Take(3).ToQueryString();
        await using var explain = database.DataSource.CreateCommand(
            "SET enable_seqscan = off; SET enable_sort = off; EXPLAIN " + sql[sql.IndexOf("SELECT", StringComparison.Ordinal)..]
                .Replace("@full", $"'{new Pgvector.Vector(SearchCorpus.RandomVector(new Random(2), 8))}'::vector", StringComparison.Ordinal)
                .Replace("@workspaceId", "1", StringComparison.Ordinal).Replace("@p", "3", StringComparison.Ordinal));
        await using var reader = await explain.ExecuteReaderAsync(Cancelled);
        var plan = "";
        while (await reader.ReadAsync(Cancelled))
        {
            plan += reader.GetString(0) + "\n";
        }

        Assert.Contains("Limit", plan, StringComparison.Ordinal);
        Assert.DoesNotContain("embedding_idx", plan, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rows_OfTheSchema_AreReadAndEdited()
    {
        var corpus = await CreateAsync("rows", 16, 3, new Random(3));
        await using (var context = RagDbContext.Create(database.DataSource))
        {
            var workspace = await context.Workspaces.Include(w => w.Documents).ThenInclude(d => d.Passages)
                .SingleAsync(w => w.Name == "rows" && w.DeletedAt == null, Cancelled);
            Assert.Equal(["text 0", "text 1", "text 2"], workspace.Documents.SelectMany(d => d.Passages).Select(p => p.Text).Order());
            Assert.Equal(3, await context.Tasks.CountAsync(t => t.WorkspaceId == corpus.WorkspaceId && t.LeaseOwner == null, Cancelled));
            workspace.Documents.Single(d => d.DocumentId == "d1").Title = "Another title";
            await context.SaveChangesAsync(Cancelled);
        }

        Assert.Equal("Another title", (await new DocumentStore(database.DataSource).FindAsync(corpus.WorkspaceId, "d1", Cancelled))!.Title);
    }

    private async Task<List<NearPassage>> FindAsync(SearchCorpus corpus, float[] query, string? filter, VectorPlan plan)
    {
        var condition = filter is null ? null : FilterParser.Parse(JsonElement.Parse(filter), out _);
        var found = await _search.FindAsync(
            new(corpus.WorkspaceId, corpus.Workspace.Serving, query, condition, 10), plan, withPassages: false, Cancelled);
        return [.. found.Hits.Select(h => new NearPassage(h.ChunkId, h.DocumentKey, h.Distance))];
    }

    private async Task<SearchCorpus> CreateAsync(string name, int dimensions, int count, Random random)
    {
        var corpus = await SearchCorpus.CreateAsync(database, name, "english", Cancelled, dimensions);
        await corpus.PutAsync([.. Enumerable.Range(0, count).Select(i => new DocumentInput("d" + i, "", "", $$"""{"half": {{i % 2}}}""", 1))], Cancelled);
        var ids = await corpus.AddChunksAsync([.. Enumerable.Range(0, count).Select(i => ("d" + i, 0, "text " + i))], Cancelled);
        await corpus.AddVectorsAsync([.. ids.Select(id => (id, SearchCorpus.RandomVector(random, dimensions)))], Cancelled);
        return corpus;
    }
}
