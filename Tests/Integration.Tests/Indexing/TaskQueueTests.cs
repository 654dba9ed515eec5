using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

public sealed class TaskQueueTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(60);

    private TaskQueue Queue => new(database.DataSource);

    private async Task<IReadOnlyList<IndexTask>> ClaimAsync(Guid owner, int count) =>
        (await Queue.ClaimAsync(owner, count, s_lease, default, TestContext.Current.CancellationToken)).Tasks;

    private static (string, string)[] Documents(int count) => [.. Enumerable.Range(0, count).Select(i => ($"d{i:0000}", $"Text {i}."))];

    [Fact]
    public async Task Claim_OneLargeAndOneSmallWorkspace_TheSmallOneIsServedInTheFirstClaim()
    {
        var large = await TestWorkspace.CreateAsync(database, "large");
        var small = await TestWorkspace.CreateAsync(database, "small");
        await large.PutAsync(Documents(1000));
        await small.PutAsync(("a", "One."), ("b", "Two."));
        var owner = Guid.NewGuid();

        var claimed = await ClaimAsync(owner, 16);

        Assert.Equal(16, claimed.Count);
        Assert.Equal(2, claimed.Count(t => t.WorkspaceId == small.Id));
        await Queue.ReleaseAllAsync(owner, TestContext.Current.CancellationToken);
        await CleanAsync();
    }

    [Fact]
    public async Task Claim_TwoOwners_NothingIsClaimedTwice()
    {
        var workspace = await TestWorkspace.CreateAsync(database, "twice");
        await workspace.PutAsync(Documents(200));

        var claims = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => ClaimAsync(Guid.NewGuid(), 30)));

        var ids = claims.SelectMany(c => c).Select(t => t.DocumentId).ToList();
        Assert.Equal(200, ids.Count);
        Assert.Equal(200, ids.Distinct().Count());
        await CleanAsync();
    }

    [Fact]
    public async Task Claim_SpaceThatRests_ItsTasksWaitAndOthersDoNot()
    {
        var resting = await TestWorkspace.CreateAsync(database, "resting", dimensions: 3);
        var awake = await TestWorkspace.CreateAsync(database, "awake", dimensions: 4);
        await resting.PutAsync(Documents(500));
        await awake.PutAsync(Documents(3));
        var cancellationToken = TestContext.Current.CancellationToken;
        await Queue.CoolDownAsync(resting.Space.SpaceId, s_lease, s_lease, "rate", "Too many requests.", cancellationToken);

        Assert.All(await ClaimAsync(Guid.NewGuid(), 100), t => Assert.Equal(awake.Id, t.WorkspaceId));
        await Queue.WarmUpAsync(resting.Space.SpaceId, cancellationToken);
        Assert.Equal(100, (await ClaimAsync(Guid.NewGuid(), 100)).Count);
        await CleanAsync();
    }

    [Fact]
    public async Task Claim_HighPriorityBehindABacklog_ComesFirst()
    {
        var workspace = await TestWorkspace.CreateAsync(database, "priorities");
        await workspace.PutAsync(Documents(300));
        await new DocumentStore(database.DataSource).PutAsync(
            workspace.Id, [new("urgent", "", "Now.", "{}", 2)], TestContext.Current.CancellationToken);

        Assert.Contains(await ClaimAsync(Guid.NewGuid(), 10), t => t.DocumentId == "urgent");
        await CleanAsync();
    }

    [Fact]
    public async Task Claim_HighPriorityInTheLastOfManyWorkspaces_ComesFirstWhereverTheRoundIs()
    {
        var last = await TestWorkspace.CreateAsync(database, "last");
        await using (var create = database.DataSource.CreateCommand("""
            WITH added AS (
                INSERT INTO workspaces (workspace_id, name, language, chunk_strategy, chunk_target, chunk_overlap) OVERRIDING SYSTEM VALUE
                SELECT i, 'many-' || i, 'simple', 'markdown', 1200, 200 FROM generate_series(-2000, -1) i RETURNING workspace_id
            )
            INSERT INTO tasks (workspace_id, document_id, space_id, revision, version, priority)
            SELECT w.workspace_id, 'd' || n, $1, 1, nextval('task_version'), 1 FROM added w, generate_series(1, 3) n
            """))
        {
            create.Parameters.Add(new() { Value = last.Space.SpaceId });
            await create.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        var first = await Queue.ClaimAsync(Guid.NewGuid(), 16, s_lease, new(0, int.MinValue, 0), TestContext.Current.CancellationToken);
        Assert.Equal(16, first.Tasks.Count);
        Assert.InRange(first.Cursor.Normal, -2000, -1);
        await new DocumentStore(database.DataSource).PutAsync(last.Id, [new("urgent", "", "Now.", "{}", 2)], TestContext.Current.CancellationToken);

        var second = await Queue.ClaimAsync(Guid.NewGuid(), 16, s_lease, first.Cursor, TestContext.Current.CancellationToken);

        Assert.Contains(second.Tasks, t => t.WorkspaceId == last.Id);
        Assert.True(second.Cursor.Normal > first.Cursor.Normal);
        await CleanAsync();
    }

    [Fact]
    public async Task Claim_LeaseRanOut_SomebodyElseGetsTheTask()
    {
        var workspace = await TestWorkspace.CreateAsync(database, "leases");
        await workspace.PutAsync(("a", "One."));
        var (dead, alive) = (Guid.NewGuid(), Guid.NewGuid());
        var cancellationToken = TestContext.Current.CancellationToken;
        var task = Assert.Single((await Queue.ClaimAsync(dead, 10, TimeSpan.FromMilliseconds(1), default, cancellationToken)).Tasks);
        Assert.Single(await ClaimAsync(alive, 10));

        Assert.Equal(0, await Queue.FinishAsync(dead, [task], cancellationToken));
        Assert.Equal(0, await Queue.FailAsync(dead, task, "cause", "message", s_lease, cancellationToken));
        Assert.Equal(1, await Queue.FinishAsync(alive, [task], cancellationToken));
    }

    [Fact]
    public async Task Renew_TaskThatIsNotInWorkAnyMore_RunsOut()
    {
        var workspace = await TestWorkspace.CreateAsync(database, "renewed");
        await workspace.PutAsync(("a", "In work."), ("b", "Forgotten."));
        var (owner, cancellationToken) = (Guid.NewGuid(), TestContext.Current.CancellationToken);
        var claimed = (await Queue.ClaimAsync(owner, 10, TimeSpan.FromMilliseconds(1), default, cancellationToken)).Tasks;

        Assert.Equal(1, await Queue.RenewAsync(owner, [claimed.Single(t => t.DocumentId == "a")], s_lease, cancellationToken));

        Assert.Equal("b", Assert.Single(await ClaimAsync(Guid.NewGuid(), 10)).DocumentId);
        await CleanAsync();
    }

    [Fact]
    public async Task Claim_BacklogsOfDifferentWeights_SharesAreThoseOfTheWeights()
    {
        var (light, heavy) = (await TestWorkspace.CreateAsync(database, "light"), await TestWorkspace.CreateAsync(database, "heavy"));
        await light.PutAsync(Documents(400));
        await heavy.PutAsync(Documents(400));
        var queue = new TaskQueue(database.DataSource);
        await queue.WeighAsync("heavy", 3, TestContext.Current.CancellationToken);

        // Claims of different sizes, down to one that has room for one workspace only.
        var claimed = new List<int>();
        foreach (var size in Enumerable.Repeat<int[]>([1, 2, 3, 10, 24], 10).SelectMany(s => s))
        {
            var claim = await queue.ClaimAsync(Guid.NewGuid(), size, s_lease, default, TestContext.Current.CancellationToken);
            Assert.Equal(size, claim.Tasks.Count);
            claimed.AddRange(claim.Tasks.Select(t => t.WorkspaceId));
        }

        Assert.Equal(400, claimed.Count);
        Assert.InRange(claimed.Count(w => w == heavy.Id), 300 - 15, 300 + 15);
        await CleanAsync();
    }

    [Fact]
    public async Task Claim_EditsDuringABackfillOfAnotherWorkspace_EachIsInTheNextClaim()
    {
        var backfill = await TestWorkspace.CreateAsync(database, "backfill");
        var edited = await TestWorkspace.CreateAsync(database, "edited");
        await backfill.PutAsync(Documents(2000));
        var queue = new TaskQueue(database.DataSource);

        // Were there no backfill, an edit would be in the next claim too: it is delayed by none.
        for (var i = 0; i < 20; i++)
        {
            await edited.PutAsync(($"e{i}", $"Edited {i}."));
            var claim = await queue.ClaimAsync(Guid.NewGuid(), 16, s_lease, default, TestContext.Current.CancellationToken);
            Assert.Equal($"e{i}", Assert.Single(claim.Tasks, t => t.WorkspaceId == edited.Id).DocumentId);
            Assert.Equal(16, claim.Tasks.Count);
        }

        await CleanAsync();
    }

    [Fact]
    public async Task Claim_LowPriorityBehindHighPriorityOfItsOwnAndOtherWorkspaces_IsNotStarved()
    {
        var workspace = await TestWorkspace.CreateAsync(database, "low_and_high");
        var documents = new DocumentStore(database.DataSource);
        await documents.PutAsync(
            workspace.Id,
            [.. Enumerable.Range(0, 800).Select(i => new DocumentInput($"h{i:0000}", "", $"Text {i}.", "{}", 2)), new("low", "", "Low.", "{}", 0)],
            TestContext.Current.CancellationToken);
        var queue = new TaskQueue(database.DataSource);
        var claims = 0;
        IReadOnlyList<IndexTask> tasks;
        do
        {
            tasks = (await queue.ClaimAsync(Guid.NewGuid(), 4, s_lease, default, TestContext.Current.CancellationToken)).Tasks;
        }
        while (++claims < 200 && tasks.All(t => t.DocumentId != "low"));

        // Its weight is a 64th: about 64 high ones pass before it, sixteen claims.
        Assert.InRange(claims, 1, 40);
        await CleanAsync();
    }

    [Fact]
    public async Task Pause_TaskThatAWorkerHolds_IsTakenBackAndNotWritten()
    {
        var workspace = await TestWorkspace.CreateAsync(database, "paused");
        await workspace.PutAsync(("a", "One."));
        var (owner, cancellationToken) = (Guid.NewGuid(), TestContext.Current.CancellationToken);
        var task = Assert.Single(await ClaimAsync(owner, 10));
        var store = new IndexStore(database.DataSource);
        var source = Assert.Single(await store.LoadAsync([task], cancellationToken));
        var control = new IndexingControlStore(database.DataSource);

        await control.PauseAsync(workspace.Id, cancellationToken);

        Assert.Empty(await Queue.ListHeldAsync(owner, [task], cancellationToken));
        Assert.Empty(await ClaimAsync(Guid.NewGuid(), 10));
        var document = new IndexDocument(
            task, source.DocumentKey!.Value, new byte[32], [new(new byte[16], 0, 0, 0, "", "One.", new float[] { 1, 0, 0, 0, 0, 0, 0, 0 })], []);
        Assert.Equal([IndexOutcome.Stale], await store.WriteAsync(owner, workspace.Space, [document], cancellationToken));
        Assert.Equal(0, await workspace.CountAsync("chunks"));

        await control.ResumeAsync(workspace.Id, cancellationToken);
        var again = Assert.Single(await ClaimAsync(Guid.NewGuid(), 10));
        Assert.Equal((task.Version, 0, 1), (again.Version, again.Attempts, again.Claims));
        await CleanAsync();
    }

    private Task CleanAsync() => WorkerHost.ExecuteAsync(database, "DELETE FROM tasks");
}
