using System.Text.Json;
using Npgsql;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Search;

/// <summary>Searching through a real PgBouncer in transaction mode, with three connections for twenty callers.</summary>
public sealed class PgBouncerTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Search_ByManyAtOnce_FindsWhatItFindsDirectlyAndLeavesNoSettings()
    {
        var random = new Random(31);
        var corpus = await SearchCorpus.CreateAsync(database, "bouncer", "english", Cancelled);
        await corpus.PutAsync(
            [.. Enumerable.Range(0, 300).Select(i => new DocumentInput("d" + i, "", "", $$$"""{"even": {{{i % 2}}}}""", 1))], Cancelled);
        var ids = await corpus.AddChunksAsync([.. Enumerable.Range(0, 300).Select(i => ("d" + i, 0, "text number " + i))], Cancelled);
        await corpus.AddVectorsAsync([.. ids.Select(id => (id, SearchCorpus.RandomVector(random)))], Cancelled);
        await corpus.ExecuteAsync(
            $"CREATE INDEX ON {corpus.Workspace.Serving.VectorTable} USING hnsw (embedding vector_cosine_ops)", Cancelled, parameters: false);
        if (PgBouncer.FindProgram() is not { } program)
        {
            throw Requirements.Missing("pgbouncer is not installed: run eng/install-backends.sh --pgbouncer.");
        }

        await using var bouncer = await PgBouncer.StartAsync(program, database.ConnectionString, Cancelled);
        await using var through = StorageDataSource.Create(bouncer.ConnectionString);
        var filter = FilterParser.Parse(JsonElement.Parse("""{"even": 1}"""), out _);
        var queries = Enumerable.Range(0, 40).Select(_ => SearchCorpus.RandomVector(random)).ToList();

        await Task.WhenAll(Enumerable.Range(0, 20).Select(async caller =>
        {
            for (var i = caller; i < queries.Count; i += 20)
            {
                foreach (var plan in Enum.GetValues<VectorPlan>().Where(p => p != VectorPlan.PartialHnsw))
                {
                    var query = new VectorQuery(corpus.WorkspaceId, corpus.Workspace.Serving, queries[i], filter, 10, EfSearch: 300, Scan: 300);
                    var expected = await new VectorSearch(database.DataSource).FindAsync(query, plan, withPassages: true, Cancelled);
                    var found = await new VectorSearch(through).FindAsync(query, plan, withPassages: true, Cancelled);
                    Assert.Equal(expected.Hits.Select(h => h.ChunkId), found.Hits.Select(h => h.ChunkId));
                    Assert.Equal(10, found.Hits.Count);
                }

                var postings = await new LexicalStore(through).ReadAsync(corpus.WorkspaceId, "english", "number " + i, "", [], Cancelled);
                Assert.Equal([300, 1], postings.Terms.Select(t => t.Documents).OrderDescending());
                await new LexicalFolder(through).FoldAsync(Cancelled);
            }
        }));

        for (var i = 0; i < 20; i++)
        {
            await using var setting = through.CreateCommand("SELECT current_setting('enable_sort') || current_setting('enable_seqscan')");
            Assert.Equal("onon", await setting.ExecuteScalarAsync(Cancelled));
        }
    }
}
