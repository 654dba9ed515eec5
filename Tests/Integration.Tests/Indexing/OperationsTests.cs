using Microsoft.Extensions.DependencyInjection;
using RagPlatform.Contracts;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

/// <summary>What workers do of what people ask for.</summary>
public sealed class OperationsTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task HalfIndex_OfASpace_ReplacesTheIndexAndBack()
    {
        await using var worker = await WorkerHost.StartAsync(
            database, ("Indexing:HnswMinRows", "50"), ("Indexing:MaintenanceInterval", "00:00:00.100"), ("Indexing:ReplacedIndexDelay", "00:00:00"));
        var spaces = new SpaceStore(database.DataSource);
        var workspace = await TestWorkspace.CreateAsync(database, "halved", dimensions: 20);
        await workspace.PutAsync([.. Enumerable.Range(0, 60).Select(i => ($"d{i:000}", $"Text {i}."))]);
        await WorkerHost.WaitUntilIdleAsync(database);
        var (full, half) = ($"{workspace.Space.VectorTable}_hnsw", $"hnsw_half_{workspace.Space.SpaceId}");
        await WaitUntilOnlyAsync(full, half);

        Assert.False(await spaces.SetHalfIndexAsync("nothing", true, Cancellation));
        Assert.True(await spaces.SetHalfIndexAsync(workspace.Space.Id, true, Cancellation));
        await WaitUntilOnlyAsync(half, full);
        Assert.True(await spaces.SetHalfIndexAsync(workspace.Space.Id, false, Cancellation));
        await WaitUntilOnlyAsync(full, half);
    }

    [Fact]
    public async Task Reindex_Workspace_EveryDocumentIsWorkedOnAndNothingIsEmbeddedAgain()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "again");
        await workspace.PutAsync([.. Enumerable.Range(0, 50).Select(i => ($"d{i}", $"Text {i}."))]);
        await WorkerHost.WaitUntilIdleAsync(database);
        var (embedded, before) = (worker.Embedded.Count, await IndexedAtAsync(workspace.Id));
        var reindex = worker.Services.GetRequiredService<ReindexStore>();

        var job = (await reindex.StartAsync("again", null, 0, Cancellation))!;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await reindex.FindAsync(workspace.Id, job.JobId, Cancellation))!.FinishedAt is null)
        {
            await Task.Delay(20, limit.Token);
        }

        Assert.Equal(50, (await reindex.FindAsync(null, job.JobId, Cancellation))!.Raised);
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.Equal(0, await workspace.CountAsync("tasks"));
        Assert.Equal(embedded, worker.Embedded.Count);
        Assert.True(await IndexedAtAsync(workspace.Id) > before);
        Assert.Null(await reindex.StartAsync("nowhere", null, 0, Cancellation));
    }

    [Fact]
    public async Task Reindex_SmallWorkspaceBehindALargeOne_TheyTakeTurns()
    {
        var large = await TestWorkspace.CreateAsync(database, "large_job");
        var small = await TestWorkspace.CreateAsync(database, "small_job");
        await large.PutAsync([.. Enumerable.Range(0, 100).Select(i => ($"d{i}", $"Text {i}."))]);
        await small.PutAsync(("a", "One."));
        await WorkerHost.ExecuteAsync(database, "DELETE FROM tasks");
        var reindex = new ReindexStore(database.DataSource);
        await reindex.StartAsync("large_job", null, 0, Cancellation);
        await reindex.StartAsync("small_job", null, 0, Cancellation);

        Assert.True(await reindex.StepAsync(10, Cancellation));
        Assert.True(await reindex.StepAsync(10, Cancellation));

        Assert.Equal((10, 1), (await large.CountAsync("tasks"), await small.CountAsync("tasks")));
        while (await reindex.StepAsync(10, Cancellation))
        {
        }

        Assert.Equal((100, 1), (await large.CountAsync("tasks"), await small.CountAsync("tasks")));
        await WorkerHost.ExecuteAsync(database, "DELETE FROM tasks");
    }

    [Fact]
    public async Task Cooldowns_ProviderThatCannotBeReached_IsNamed()
    {
        await using var worker = await WorkerHost.StartAsync(database, ("Indexing:Cooldown", "00:01:00"));
        worker.BeforeAnswer = _ => throw new EmbeddingGatewayException(0, "Connection refused.");
        var workspace = await TestWorkspace.CreateAsync(database, "unreachable", dimensions: 5);
        await workspace.PutAsync(("a", "Waits."));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        IReadOnlyList<CooldownRow> cooldowns;
        while ((cooldowns = await worker.Services.GetRequiredService<TaskQueue>().ListCooldownsAsync(limit.Token)).Count == 0)
        {
            await Task.Delay(20, limit.Token);
        }

        Assert.Equal((workspace.Space.Id, "unreachable"), (cooldowns[0].Space, cooldowns[0].Cause));
        Assert.Equal(0, await workspace.CountAsync("dead_letters"));
        await worker.StopAsync();
        await WorkerHost.ExecuteAsync(database, "DELETE FROM tasks");
    }

    [Fact]
    public async Task TokenRatio_CountedByTwoWorkers_IsSharedAndForgetsWhatIsLongAgo()
    {
        var space = (await TestWorkspace.CreateAsync(database, "counted", dimensions: 6)).Space;
        var store = new TokenRatioStore(database.DataSource);
        var (first, second) = (new TokenCalibration(), new TokenCalibration());
        var text = new string('x', 3_000);
        Assert.Equal(1_000, second.Estimate(space.SpaceId, text));

        first.Observe(space.SpaceId, [text], 500);
        await first.SynchronizeAsync(store, Cancellation);
        await second.SynchronizeAsync(store, Cancellation);
        Assert.Equal(500, second.Estimate(space.SpaceId, text));

        // What is written once is not added again.
        await first.SynchronizeAsync(store, Cancellation);
        Assert.Equal(new TokenRatioRow(space.SpaceId, 3_000, 1_000, 500), await store.FindAsync(space.SpaceId, Cancellation));

        await store.AddAsync(new(space.SpaceId, 6_000_000, 2_000_000, 4_000_000), Cancellation);
        await second.SynchronizeAsync(store, Cancellation);
        Assert.InRange(second.Estimate(space.SpaceId, text), 1_990, 2_001);
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
