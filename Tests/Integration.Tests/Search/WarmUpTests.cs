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
        await using (var database = StorageDataSource.Create(options.Postgres))
        {
            await using var command = database.CreateCommand("UPDATE generations SET generation = generation + 1");
            Assert.Equal(1, await command.ExecuteNonQueryAsync(Cancelled));
        }

        await using var restarted = await SingleNodeApp.StartAsync(options, Cancelled);
        using var again = new Client(restarted);

        Assert.True((await again.Rag.SearchAsync(Workspace, s_popular, Cancelled)).Cached);
    }

    [Fact]
    public async Task PopularSearches_OfADeletedWorkspace_AreForgotten()
    {
        if (!backends.AreThere)
        {
            throw backends.Missing();
        }

        var (cache, _) = backends.ReserveCache();
        await using var app = await SingleNodeApp.StartAsync(new() { Postgres = await backends.CreateDatabaseAsync(), Valkey = cache }, Cancelled);
        using var client = new Client(app);
        foreach (var name in new[] { "secret", "other" })
        {
            await client.Rag.CreateWorkspaceAsync(new(name), Cancelled);
            await client.Rag.SearchAsync(name, new("the words of " + name, SearchMode.Keyword), Cancelled);
            await client.Rag.SearchAsync(name, new("the words of " + name, SearchMode.Keyword), Cancelled);
        }

        await WaitUntilRememberedAsync("secret", isRemembered: true);
        await client.Rag.DeleteWorkspaceAsync("secret", "secret", Cancelled);
        await WaitUntilRememberedAsync("secret", isRemembered: false);

        var left = Assert.Single(app.SearchApi.Services.GetRequiredService<PopularQueries>().Top(null, 10));
        Assert.Equal("the words of other", left.Request.Query);
        await WaitUntilRememberedAsync("other", isRemembered: true);

        // Notified of the deletion, it forgets by itself; saving is what waits a minute else.
        async Task WaitUntilRememberedAsync(string name, bool isRemembered)
        {
            while (await IsRememberedAsync(name) != isRemembered)
            {
                if (isRemembered)
                {
                    await app.SearchApi.Services.GetRequiredService<WarmUp>().SaveAsync(Cancelled);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(50), Cancelled);
            }
        }

        async Task<bool> IsRememberedAsync(string name)
        {
            while (true)
            {
                var (answered, members) = await app.SearchApi.Services.GetRequiredService<CacheConnection>()
                    .TryGetAsync(db => db.SortedSetRangeByRankAsync("rag:search:popular:v1"), Cancelled);
                if (answered)
                {
                    return members!.Any(member => ((string)member!).Contains("the words of " + name, StringComparison.Ordinal));
                }
            }
        }
    }

    [Fact]
    public async Task Readiness_WhenPopularSearchesHang_DoesNotWaitForThem()
    {
        if (!backends.AreThere)
        {
            throw backends.Missing();
        }

        var (cache, _) = backends.ReserveCache();
        var options = new SingleNodeOptions
        {
            Postgres = await backends.CreateDatabaseAsync(),
            Valkey = cache,
            Settings = new Dictionary<string, string?> { ["Search:WarmUpTimeout"] = "00:00:01", ["Search:Timeout"] = "00:01:00" },
        };
        await using (var app = await SingleNodeApp.StartAsync(options, Cancelled))
        {
            using var client = new Client(app);
            await client.Rag.CreateWorkspaceAsync(new(Workspace), Cancelled);
            await client.Rag.SearchAsync(Workspace, s_popular, Cancelled);
            await client.Rag.SearchAsync(Workspace, s_popular, Cancelled);
        }

        await using var database = StorageDataSource.Create(options.Postgres);
        await using (var raise = database.CreateCommand("UPDATE generations SET generation = generation + 1"))
        {
            await raise.ExecuteNonQueryAsync(Cancelled);
        }

        // Nobody reads postings as long as this transaction is open.
        await using var connection = await database.OpenConnectionAsync(Cancelled);
        var transaction = await connection.BeginTransactionAsync(Cancelled);
        await using var command = new NpgsqlCommand("LOCK TABLE lexical_blocks IN ACCESS EXCLUSIVE MODE", connection, transaction);
        await command.ExecuteNonQueryAsync(Cancelled);

        await using var restarted = await SingleNodeApp.StartAsync(options, Cancelled);

        await using var waiting = database.CreateCommand("""
            SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE NOT l.granted AND l.relation = 'lexical_blocks'::regclass AND a.application_name = 'RagPlatform.SearchApi'
            """);
        Assert.Equal(1L, await waiting.ExecuteScalarAsync(Cancelled));
        await transaction.DisposeAsync();
    }

    private static async Task WaitUntilCachedAsync(SingleNodeApp app)
    {
        var services = app.SearchApi.Services;
        while (true)
        {
            var workspace = (await services.GetRequiredService<WorkspaceStore>().FindAsync(Workspace, Cancelled))!;
            var query = SearchRequestReader.Read(workspace, s_popular, out _);
            var key = ResultCache.KeyOf(query, workspace.Generation, ResultCache.HashOf(s_popular));
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
