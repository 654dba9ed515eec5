using Npgsql;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Integration.Tests.Search;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

/// <summary>Builds of the vector index on a real PostgreSQL, where memory is short and where a pooler is in between.</summary>
public sealed class IndexBuildTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ensure_NoSharedMemoryForAParallelBuild_FailsInParallelAndIsBuiltByOneProcess()
    {
        // A role that may not read the machine's files cannot foresee it. No machine has so much: PostgreSQL says that it "could not resize
        // shared memory segment", as it does in a container with 64 MB.
        var space = await CreateAsync(31);
        await WorkerHost.ExecuteAsAdministratorAsync(database, $"""
            CREATE ROLE index_builder LOGIN PASSWORD 'builder';
            GRANT SELECT ON ALL TABLES IN SCHEMA public TO index_builder;
            GRANT CREATE ON SCHEMA public TO index_builder;
            ALTER TABLE {space.VectorTable} OWNER TO index_builder;
            ALTER TABLE {space.VectorTable} SET (parallel_workers = 2);
            """);
        var connection = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = "index_builder", Password = "builder" };
        await using var asBuilder = StorageDataSource.Create(connection.ConnectionString);
        var warnings = new List<string>();

        var plan = await new VectorIndexStore(asBuilder).EnsureAsync(space, 10, "1500GB", warnings.Add, Cancelled);

        Assert.False(Assert.IsType<HnswBuildPlan>(plan).Parallel);
        Assert.Contains("--shm-size", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.True(await new VectorIndexStore(database.DataSource).IsValidAsync(space, Cancelled));
    }

    [Fact]
    public async Task Ensure_RoleThatMayReadTheMachine_ForeseesIt()
    {
        var space = await CreateAsync(32);
        await WorkerHost.ExecuteAsync(database, $"ALTER TABLE {space.VectorTable} SET (parallel_workers = 2)");
        var warnings = new List<string>();

        // The graph is small: a part of what is allowed is enough for it.
        var plan = await new VectorIndexStore(database.DataSource).EnsureAsync(space, 10, "1500GB", warnings.Add, Cancelled);

        Assert.True(Assert.IsType<HnswBuildPlan>(plan).Parallel);
        Assert.InRange(plan.MemoryBytes, plan.GraphBytes, 128 * 1024 * 1024);
        Assert.Empty(warnings);
        Assert.True(await new VectorIndexStore(database.DataSource).IsValidAsync(space, Cancelled));
    }

    [Fact]
    public async Task Ensure_SettingsOfABuild_StayInNoSession()
    {
        var space = await CreateAsync(33);
        await using var one = StorageDataSource.Create(database.ConnectionString + ";Maximum Pool Size=3");

        await new VectorIndexStore(one).EnsureAsync(space, 10, "77MB", _ => { }, Cancelled);

        await using var first = await one.OpenConnectionAsync(Cancelled);
        await using var second = await one.OpenConnectionAsync(Cancelled);
        await using var third = await one.OpenConnectionAsync(Cancelled);
        foreach (var connection in new[] { first, second, third })
        {
            await using var command = new NpgsqlCommand("SHOW maintenance_work_mem", connection);
            Assert.NotEqual("77MB", await command.ExecuteScalarAsync(Cancelled));
        }
    }

    [Fact]
    public async Task Ensure_SecondCall_BuildsNothing()
    {
        var space = await CreateAsync(34);
        var indexes = new VectorIndexStore(database.DataSource);

        Assert.NotNull(await indexes.EnsureAsync(space, 10, null, _ => { }, Cancelled));
        Assert.Null(await indexes.EnsureAsync(space, 10, null, _ => { }, Cancelled));
    }

    [Fact]
    public async Task Ensure_ManyChunksStillToCome_TheIndexWaits()
    {
        // Three documents of 20 chunks each wait: few tasks, but more than the tenth of 500 rows.
        var space = await CreateAsync(35, rows: 500, chunksOfADocument: 20);
        var indexes = new VectorIndexStore(database.DataSource);
        var workspace = (await new WorkspaceStore(database.DataSource).FindAsync("build-35", Cancelled))!;
        var documents = new DocumentStore(database.DataSource);
        await documents.PutAsync(
            workspace.WorkspaceId, [.. Enumerable.Range(0, 3).Select(i => new DocumentInput("late" + i, "", "Late.", "{}", 1))], Cancelled);

        Assert.Null(await indexes.EnsureAsync(space, 500, null, _ => { }, Cancelled));
        await WorkerHost.ExecuteAsync(database, $"DELETE FROM tasks WHERE workspace_id = {workspace.WorkspaceId}");
        Assert.NotNull(await indexes.EnsureAsync(space, 500, null, _ => { }, Cancelled));
    }

    [Fact]
    public async Task Ensure_TableThatGrowsWithoutBacklog_TheIndexWaitsUntilItIsCalm()
    {
        var space = await CreateAsync(39);
        var indexes = new VectorIndexStore(database.DataSource);
        Assert.Null(await indexes.EnsureAsync(space, 100, null, _ => { }, Cancelled));

        await CreateAsync(39, from: 60);
        Assert.Null(await indexes.EnsureAsync(space, 100, null, _ => { }, Cancelled));
        Assert.NotNull(await indexes.EnsureAsync(space, 100, null, _ => { }, Cancelled));
    }

    [Fact]
    public async Task Ensure_LoadThatIsMoreThanTheTable_DropsTheIndexAndBuildsItAfterwards()
    {
        var space = await CreateAsync(38);
        var indexes = new VectorIndexStore(database.DataSource);
        Assert.NotNull(await indexes.EnsureAsync(space, 10, null, _ => { }, Cancelled));
        var workspace = (await new WorkspaceStore(database.DataSource).FindAsync("build-38", Cancelled))!;
        var documents = new DocumentStore(database.DataSource);
        DocumentInput[] all = [.. Enumerable.Range(0, 60).Select(i => new DocumentInput($"d{i:000}", "", $"Changed {i}.", "{}", 1))];

        // Tasks of documents that are there bring little, however many.
        await documents.PutAsync(workspace.WorkspaceId, all, Cancelled);
        await indexes.EnsureAsync(space, 10, null, _ => { }, Cancelled);
        Assert.True(await indexes.IsValidAsync(space, Cancelled));

        await WorkerHost.ExecuteAsync(database, $"DELETE FROM tasks WHERE workspace_id = {workspace.WorkspaceId}");
        await documents.PutAsync(
            workspace.WorkspaceId, [.. Enumerable.Range(0, 70).Select(i => new DocumentInput($"n{i:000}", "", $"New {i}.", "{}", 1))], Cancelled);
        var warnings = new List<string>();
        Assert.Null(await indexes.EnsureAsync(space, 10, null, warnings.Add, Cancelled));
        Assert.Single(warnings);
        Assert.False(await indexes.IsValidAsync(space, Cancelled));

        await WorkerHost.ExecuteAsync(database, $"DELETE FROM tasks WHERE workspace_id = {workspace.WorkspaceId}");
        Assert.NotNull(await indexes.EnsureAsync(space, 10, null, _ => { }, Cancelled));
    }

    [Theory]
    [InlineData(36, true)]
    [InlineData(37, false)]
    public async Task Build_ThroughPgBouncer_IsBuiltWithoutSettingsAndLeavesNothingBehind(int dimensions, bool parallel)
    {
        if (PgBouncer.FindProgram() is not { } program)
        {
            throw Requirements.Missing("pgbouncer is not installed: run eng/install-backends.sh --pgbouncer.");
        }

        var space = await CreateAsync(dimensions);
        await using var bouncer = await PgBouncer.StartAsync(program, database.ConnectionString, Cancelled);
        await using var through = StorageDataSource.Create(bouncer.ConnectionString);
        var warnings = new List<string>();
        var resources = new BuildResources(1024, 2, null, null);

        await new HnswBuilder(through, space, warnings.Add).BuildAsync(new(1, 77 * 1024 * 1024, parallel, []), resources, Cancelled);

        Assert.Contains("pooler", Assert.Single(warnings), StringComparison.Ordinal);
        Assert.True(await new VectorIndexStore(database.DataSource).IsValidAsync(space, Cancelled));
        Assert.True(await WorkerHost.QueryAsync<bool>(
            database, $"SELECT reloptions IS NULL FROM pg_class WHERE oid = '{space.VectorTable}'::regclass"));
    }

    // A space of its own for each test, with vectors and nothing to do.
    private async Task<SpaceRow> CreateAsync(int dimensions, int rows = 60, int chunksOfADocument = 1, int from = 0)
    {
        var workspace = await TestWorkspace.CreateAsync(database, $"build-{dimensions}{(from == 0 ? "" : "-more")}", dimensions);
        await using var worker = await WorkerHost.StartAsync(database, ("Indexing:HnswMinRows", "1000000"));
        for (var i = from; i < from + (rows / chunksOfADocument); i++)
        {
            await workspace.PutPreparedAsync(
                $"d{i:000}", "", [.. Enumerable.Range(0, chunksOfADocument).Select(c => ($"Text {i} {c}.", (float[]?)null))]);
        }

        await WorkerHost.WaitUntilIdleAsync(database, 60);
        return workspace.Space;
    }
}
