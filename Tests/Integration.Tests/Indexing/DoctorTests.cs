using Microsoft.Extensions.DependencyInjection;
using RagPlatform.IndexingWorker.Operations;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Lab.Drill;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

public sealed class DoctorTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static readonly string[] s_kinds =
    [
        "bad_vector", "duplicate", "invalid_index", "lost_task", "missing", "orphan_chunk", "phantom", "stale", "wrong_space", "wrong_workspace",
    ];

    [Fact]
    public async Task Check_TenPlantedFaultsOfTenKinds_FindsAndRepairsThem()
    {
        await using var worker = await WorkerHost.StartAsync(database, ("Indexing:HnswMinRows", "1000000"));
        var doctor = worker.Services.GetRequiredService<IndexDoctor>();
        var cancellationToken = TestContext.Current.CancellationToken;
        var workspace = await TestWorkspace.CreateAsync(database, "doctor", dimensions: 8);
        var other = await TestWorkspace.CreateAsync(database, "other", dimensions: 16);
        await workspace.PutAsync([.. Enumerable.Range(0, 10).Select(i => ($"d{i}", $"The text of document {i}."))]);
        await other.PutAsync(("o", "Another workspace."));
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.True((await doctor.CheckAsync(null, false, cancellationToken)).Healthy);

        await using var administrator = StorageDataSource.Create(database.AdministrationConnectionString + ";Pooling=false");
        await new FaultPlanter(administrator).PlantAsync(workspace.Id, workspace.Space, other.Id, other.Space, cancellationToken);

        var found = await doctor.CheckAsync(null, repair: true, cancellationToken);

        Assert.False(found.Healthy);
        Assert.Equal(s_kinds, found.FaultsByKind.Keys.Order(StringComparer.Ordinal));
        Assert.True(found.UnequalBuckets < found.Buckets);

        // What one repair uncovers, the next one mends: the vector that was moved away is missing where it was.
        await WorkerHost.WaitUntilIdleAsync(database);
        await doctor.CheckAsync(null, repair: true, cancellationToken);
        await WorkerHost.WaitUntilIdleAsync(database);
        var after = await doctor.CheckAsync(null, repair: false, cancellationToken);
        Assert.True(after.Healthy, string.Join('\n', after.Faults));
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal([i == 8 ? "Changed without a task." : $"The text of document {i}."], await workspace.ReadIndexAsync($"d{i}"));
        }

        Assert.Equal(10, await workspace.CountAsync("chunks"));
        Assert.Equal(10, await workspace.CountAsync(workspace.Space.VectorTable));
    }

    [Fact]
    public async Task Check_DocumentThatWaitsOrFailed_IsNoFault()
    {
        await using var worker = await WorkerHost.StartAsync(database, ("Indexing:Enabled", "false"));
        var workspace = await TestWorkspace.CreateAsync(database, "waits");
        await workspace.PutAsync(("a", "Waits."), ("b", "Waits too."));
        Assert.Equal((2, 2), await worker.Services.GetRequiredService<IndexingControlStore>().CancelAsync(workspace.Id, TestContext.Current.CancellationToken));
        await workspace.PutAsync(("c", "Waits still."));

        var report = await worker.Services.GetRequiredService<IndexDoctor>().CheckAsync(workspace.Id, false, TestContext.Current.CancellationToken);

        Assert.True(report.Healthy);
        Assert.Equal(3, report.Documents);
    }

    [Fact]
    public async Task Check_PreparedChunksChangedWithoutATask_IsFoundAndRepaired()
    {
        float[] first = [1, 0, 0, 0, 0, 0, 0, 0], second = [0, 1, 0, 0, 0, 0, 0, 0];
        await using var worker = await WorkerHost.StartAsync(database);
        var doctor = worker.Services.GetRequiredService<IndexDoctor>();
        var workspace = await TestWorkspace.CreateAsync(database, "prepared_doctor");
        await workspace.PutPreparedAsync("chunks", "one two", ("one", first), ("two", first));
        await workspace.PutPreparedAsync("vectors", "one two", ("one", first), ("two", first));
        await workspace.PutPreparedAsync("unchanged", "one two", ("one", first), ("two", null));
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.True((await doctor.CheckAsync(workspace.Id, false, TestContext.Current.CancellationToken)).Healthy);

        // A worker that stands aside, so that the tasks can get lost.
        await worker.StopAsync();
        await workspace.PutPreparedAsync("chunks", "one two", ("one", first), ("three", first));
        await workspace.PutPreparedAsync("vectors", "one two", ("one", first), ("two", second));
        await WorkerHost.ExecuteAsync(database, "DELETE FROM tasks");
        await using var next = await WorkerHost.StartAsync(database);
        doctor = next.Services.GetRequiredService<IndexDoctor>();

        var found = await doctor.CheckAsync(workspace.Id, repair: true, TestContext.Current.CancellationToken);

        Assert.Equal(
            [("lost_task", "chunks"), ("lost_task", "vectors")],
            found.Faults.Select(f => (f.Kind, f.DocumentId!)).Order());
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.True((await doctor.CheckAsync(workspace.Id, false, TestContext.Current.CancellationToken)).Healthy);
        Assert.Equal(1, await WorkerHost.QueryAsync<long>(
            database, $"SELECT count(*) FROM {workspace.Space.VectorTable} WHERE workspace_id = {workspace.Id} AND embedding = '[0,1,0,0,0,0,0,0]'"));
    }

    [Fact]
    public async Task RequestedCheck_Worker_DoesItAndKeepsTheReport()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var cancellationToken = TestContext.Current.CancellationToken;
        var workspace = await TestWorkspace.CreateAsync(database, "asked");
        await workspace.PutAsync(("a", "One."), ("b", "Two."));
        await WorkerHost.WaitUntilIdleAsync(database);
        var checks = worker.Services.GetRequiredService<DoctorCheckStore>();

        var id = (await checks.RequestAsync("asked", false, cancellationToken))!.Value;

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        DoctorCheckRow check;
        while ((check = (await checks.FindAsync(id, cancellationToken))!).FinishedAt is null)
        {
            await Task.Delay(20, limit.Token);
        }

        var report = System.Text.Json.JsonSerializer.Deserialize<Contracts.DoctorReport>(check.Report!, Contracts.RagJson.Options)!;
        Assert.Equal((true, 2L, 2L), (report.Healthy, report.Documents, report.Vectors));
        Assert.Null(await checks.RequestAsync("nowhere", false, cancellationToken));
    }

    [Fact]
    public async Task Schedule_SeveralWorkersAndAPersonWithinTheInterval_OneCheck()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var checks = new DoctorCheckStore(database.DataSource);
        await WorkerHost.ExecuteAsync(database, "DELETE FROM doctor_checks");

        var scheduled = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => checks.ScheduleAsync(TimeSpan.FromHours(1), false, cancellationToken)));

        Assert.Equal(1, scheduled.Count(s => s));
        await WorkerHost.ExecuteAsync(database, "DELETE FROM doctor_checks");
        await checks.RequestAsync(null, false, cancellationToken);
        Assert.False(await checks.ScheduleAsync(TimeSpan.FromHours(1), false, cancellationToken));
        await WorkerHost.ExecuteAsync(database, "DELETE FROM doctor_checks");
    }
}
