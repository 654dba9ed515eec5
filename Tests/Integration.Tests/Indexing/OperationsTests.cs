using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;

namespace RagPlatform.Integration.Tests.Indexing;

public sealed class OperationsTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static HttpClient Connect(WorkerHost worker)
    {
        var http = new HttpClient { BaseAddress = worker.Address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", WorkerHost.AdminKey);
        return http;
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response)
    {
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<T>(RagJson.Options, TestContext.Current.CancellationToken))!;
    }

    [Fact]
    public async Task Operations_WithoutTheAdminKey_AreRefused()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        using var http = new HttpClient { BaseAddress = worker.Address };

        Assert.Equal(
            HttpStatusCode.Unauthorized,
            (await http.GetAsync("admin/indexing/doctor", TestContext.Current.CancellationToken)).StatusCode);
    }

    [Fact]
    public async Task HalfIndex_OfASpace_ReplacesTheIndexAndBack()
    {
        await using var worker = await WorkerHost.StartAsync(
            database, ("Indexing:HnswMinRows", "50"), ("Indexing:MaintenanceInterval", "00:00:00.100"), ("Indexing:ReplacedIndexDelay", "00:00:00"));
        using var http = Connect(worker);
        var workspace = await TestWorkspace.CreateAsync(database, "halved", dimensions: 20);
        await workspace.PutAsync([.. Enumerable.Range(0, 60).Select(i => ($"d{i:000}", $"Text {i}."))]);
        await WorkerHost.WaitUntilIdleAsync(database);
        var (full, half) = ($"{workspace.Space.VectorTable}_hnsw", $"hnsw_half_{workspace.Space.SpaceId}");
        await WaitUntilOnlyAsync(full, half);

        Assert.Equal(HttpStatusCode.NotFound, (await PutAsync("nothing", "true")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await PutAsync(workspace.Space.Id, "true")).StatusCode);
        await WaitUntilOnlyAsync(half, full);
        Assert.Equal(HttpStatusCode.NoContent, (await PutAsync(workspace.Space.Id, "false")).StatusCode);
        await WaitUntilOnlyAsync(full, half);

        Task<HttpResponseMessage> PutAsync(string space, string enabled) => http.PutAsync(
            new Uri($"admin/indexing/spaces/{space}/half-index?enabled={enabled}", UriKind.Relative), null, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Reindex_Workspace_EveryDocumentIsWorkedOnAndNothingIsEmbeddedAgain()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        using var http = Connect(worker);
        var cancellationToken = TestContext.Current.CancellationToken;
        var workspace = await TestWorkspace.CreateAsync(database, "again");
        await workspace.PutAsync([.. Enumerable.Range(0, 50).Select(i => ($"d{i}", $"Text {i}."))]);
        await WorkerHost.WaitUntilIdleAsync(database);
        var (embedded, before) = (worker.Embedded.Count, await IndexedAtAsync(workspace.Id));

        var job = await ReadAsync<ReindexJob>(await http.PostAsJsonAsync("admin/indexing/reindex", new ReindexJobRequest("again"), RagJson.Options, cancellationToken));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        ReindexJob[] jobs;
        do
        {
            await Task.Delay(20, limit.Token);
            jobs = await ReadAsync<ReindexJob[]>(await http.GetAsync("admin/indexing/reindex", cancellationToken));
        }
        while (jobs.Single(j => j.Id == job.Id).FinishedAt is null);

        Assert.Equal(50, jobs.Single(j => j.Id == job.Id).Raised);
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.Equal(0, await workspace.CountAsync("tasks"));
        Assert.Equal(embedded, worker.Embedded.Count);
        Assert.True(await IndexedAtAsync(workspace.Id) > before);
        Assert.Equal(HttpStatusCode.NoContent, (await http.PutAsync("admin/indexing/workspaces/again/weight?weight=5", null, cancellationToken)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await http.PutAsync("admin/indexing/workspaces/again/weight?weight=0", null, cancellationToken)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.PostAsJsonAsync(
            "admin/indexing/reindex", new ReindexJobRequest("nowhere"), RagJson.Options, cancellationToken)).StatusCode);
    }

    [Fact]
    public async Task Cooldowns_ProviderThatCannotBeReached_IsNamed()
    {
        await using var worker = await WorkerHost.StartAsync(database, ("Indexing:Cooldown", "00:01:00"));
        using var http = Connect(worker);
        worker.BeforeAnswer = _ => throw new EmbeddingGatewayException(0, "Connection refused.");
        var workspace = await TestWorkspace.CreateAsync(database, "unreachable", dimensions: 5);
        await workspace.PutAsync(("a", "Waits."));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        SpaceCooldown[] cooldowns;
        while ((cooldowns = await ReadAsync<SpaceCooldown[]>(await http.GetAsync("admin/indexing/cooldowns", limit.Token))).Length == 0)
        {
            await Task.Delay(20, limit.Token);
        }

        Assert.Equal((workspace.Space.Id, "unreachable"), (cooldowns[0].Space, cooldowns[0].Cause));
        Assert.Equal(0, await workspace.CountAsync("dead_letters"));
        await worker.StopAsync();
        await WorkerHost.ExecuteAsync(database, "DELETE FROM tasks");
    }

    private Task<DateTime> IndexedAtAsync(int workspaceId) => WorkerHost.QueryAsync<DateTime>(
        database, $"SELECT min(indexed_at) FROM indexed_documents WHERE workspace_id = {workspaceId}");

    // Waits until one index can be used and there is no other.
    private async Task WaitUntilOnlyAsync(string index, string other)
    {
        var sql = $"""
            SELECT (SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('{index}'))
                 - (SELECT count(*) FROM pg_class WHERE oid = to_regclass('{other}'))
            """;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await WorkerHost.QueryAsync<long>(database, sql) < 1)
        {
            await Task.Delay(20, limit.Token);
        }
    }
}
