using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

public sealed class TaskQueueTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(60);

    private TaskQueue Queue => new(database.DataSource);

    private async Task<IReadOnlyList<IndexTask>> ClaimAsync(Guid owner, int count) =>
        (await Queue.ClaimAsync(owner, count, s_lease, 0, TestContext.Current.CancellationToken)).Tasks;

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
    public async Task Claim_LeaseRanOut_SomebodyElseGetsTheTask()
    {
        var workspace = await TestWorkspace.CreateAsync(database, "leases");
        await workspace.PutAsync(("a", "One."));
        var (dead, alive) = (Guid.NewGuid(), Guid.NewGuid());
        var cancellationToken = TestContext.Current.CancellationToken;
        var task = Assert.Single((await Queue.ClaimAsync(dead, 10, TimeSpan.FromMilliseconds(1), 0, cancellationToken)).Tasks);
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
        var claimed = (await Queue.ClaimAsync(owner, 10, TimeSpan.FromMilliseconds(1), 0, cancellationToken)).Tasks;

        Assert.Equal(1, await Queue.RenewAsync(owner, [claimed.Single(t => t.DocumentId == "a")], s_lease, cancellationToken));

        Assert.Equal("b", Assert.Single(await ClaimAsync(Guid.NewGuid(), 10)).DocumentId);
        await CleanAsync();
    }

    private Task CleanAsync() => WorkerHost.ExecuteAsync(database, "DELETE FROM tasks");
}
