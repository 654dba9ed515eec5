using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SearchApi.Search;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.SingleNode;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Search;

public sealed class WarmUpTests(Backends backends)
{
    private const string Workspace = "warm";

    private static readonly SearchRequest s_popular = new("ailerons", SearchMode.Keyword);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task PopularSearches_AfterAWriteAndAfterARestart_AreAnsweredAhead()
    {
        if (!backends.AreThere)
        {
            throw backends.Missing();
        }

        var (cache, _) = backends.ReserveCache();
        var options = new SingleNodeOptions { Postgres = await backends.CreateDatabaseAsync(), Valkey = cache };
        await using (var app = await SingleNodeApp.StartAsync(options, Cancelled))
        {
            using var client = new Client(app);
            await client.Rag.CreateWorkspaceAsync(new(Workspace), Cancelled);
            await client.Rag.PutDocumentAsync(Workspace, "a", new("Ailerons bank the wing."), TimeSpan.FromSeconds(50), Cancelled);
            await client.Rag.SearchAsync(Workspace, s_popular, Cancelled);
            await client.Rag.SearchAsync(Workspace, s_popular, Cancelled);
            await client.Rag.SearchAsync(Workspace, new("rudder", SearchMode.Keyword), Cancelled);
            await client.Rag.PutDocumentAsync(Workspace, "b", new("Ailerons and a rudder."), TimeSpan.FromSeconds(50), Cancelled);
            await WaitUntilCachedAsync(app);

            var popular = await client.Rag.SearchAsync(Workspace, s_popular, Cancelled);
            var askedOnce = await client.Rag.SearchAsync(Workspace, new("rudder", SearchMode.Keyword), Cancelled);

            Assert.Equal((true, 2), (popular.Cached, popular.Hits.Count));
            Assert.False(askedOnce.Cached);
        }

        // What was computed before is worth nothing any more: only the searches themselves are remembered.
        await using (var database = NpgsqlDataSource.Create(options.Postgres))
        {
            await using var command = database.CreateCommand("UPDATE generations SET generation = generation + 1");
            Assert.Equal(1, await command.ExecuteNonQueryAsync(Cancelled));
        }

        await using var restarted = await SingleNodeApp.StartAsync(options, Cancelled);
        using var again = new Client(restarted);

        Assert.True((await again.Rag.SearchAsync(Workspace, s_popular, Cancelled)).Cached);
    }

    private static async Task WaitUntilCachedAsync(SingleNodeApp app)
    {
        var services = app.SearchApi.Services;
        while (true)
        {
            var workspace = (await services.GetRequiredService<WorkspaceStore>().FindAsync(Workspace, Cancelled))!;
            var job = SearchRequestReader.Read(workspace, s_popular, TimeProvider.System, out _);
            var key = ResultCache.KeyOf(job, workspace.Generation, ResultCache.HashOf(s_popular));
            if (await services.GetRequiredService<CacheConnection>().TryAsync(db => db.KeyExistsAsync(key), Cancelled))
            {
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), Cancelled);
        }
    }

    private sealed class Client : IDisposable
    {
        private readonly HttpClient _http;

        public Client(SingleNodeApp app)
        {
            _http = new() { BaseAddress = app.ApiAddress };
            _http.DefaultRequestHeaders.Authorization = new("Bearer", app.AdminKey);
            Rag = new(_http);
        }

        public RagClient Rag { get; }

        public void Dispose() => _http.Dispose();
    }
}
