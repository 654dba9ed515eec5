using Npgsql;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Integration.Tests.Search;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

/// <summary>Writers, workers and people at the same documents at the same time.</summary>
public sealed class RaceTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly DocumentStore _documents = new(database.DataSource);
    private readonly WorkspaceStore _workspaces = new(database.DataSource);
    private readonly TaskQueue _queue = new(database.DataSource);
    private readonly IndexingControlStore _control = new(database.DataSource);
    private readonly IndexStore _index = new(database.DataSource);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Put_OfADemandedRevision_NeverBringsADeletedDocumentBack()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "if-match", "english", Cancelled);
        var replaced = 0;
        for (var i = 0; i < 150; i++)
        {
            var revision = (await _documents.PutAsync(corpus.WorkspaceId, [Input("d", $"text {i}")], Cancelled))[0].Revision;

            var put = Task.Run(() => _documents.PutAsync(corpus.WorkspaceId, Input("d", $"other {i}"), DocumentCondition.OneOf([revision]), Cancelled), Cancelled);
            var delete = Task.Run(() => _documents.DeleteAsync(corpus.WorkspaceId, "d", Cancelled), Cancelled);

            replaced += await put is null ? 0 : 1;
            Assert.True(await delete);
            Assert.Null(await _documents.FindAsync(corpus.WorkspaceId, "d", Cancelled));
        }

        Assert.InRange(replaced, 1, 149);
    }

    [Fact]
    public async Task Put_WhileTheWorkspaceIsDeleted_IsRefusedOrCameBefore()
    {
        for (var i = 0; i < 20; i++)
        {
            var corpus = await SearchCorpus.CreateAsync(database, "gone", "english", Cancelled);
            var puts = Enumerable.Range(0, 4).Select(n => Task.Run(() => PutAsync(corpus.WorkspaceId, n), Cancelled)).ToList();
            await Task.Yield();
            Assert.True(await _workspaces.DeleteAsync("gone", Cancelled));
            var acknowledged = await Task.WhenAll(puts);

            // Nothing is written once the deletion was answered: what was acknowledged was there then.
            await Assert.ThrowsAsync<WorkspaceGoneException>(() => _documents.PutAsync(corpus.WorkspaceId, [Input("late", "text")], Cancelled));
            await Assert.ThrowsAsync<WorkspaceGoneException>(() => _documents.PutAsync(corpus.WorkspaceId, Input("late", "text"), DocumentCondition.OneOf([1]), Cancelled));
            Assert.All(acknowledged, state => Assert.NotEqual(DocumentState.Indexed, state));
            await Assert.ThrowsAsync<WorkspaceGoneException>(
                () => new ApiKeyStore(database.DataSource).CreateAsync(corpus.WorkspaceId, "late", new byte[32], Cancelled));
        }
    }

    [Fact]
    public async Task State_OfADocumentThatWasNeverIndexed_IsNotIndexed()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "never", "english", Cancelled);
        await _documents.PutAsync(corpus.WorkspaceId, [Input("d", "text")], Cancelled);
        await corpus.ExecuteAsync("DELETE FROM tasks WHERE workspace_id = $1", Cancelled);
        var status = new IndexingStatusStore(database.DataSource);

        Assert.Equal(DocumentState.Queued, (await status.GetStatesAsync(corpus.WorkspaceId, ["d"], Cancelled))["d"]);
        Assert.Equal(DocumentState.Queued, (await status.FindDocumentAsync(corpus.WorkspaceId, "d", Cancelled))!.State);
        Assert.Equal(DocumentState.Queued, (await _documents.ListAsync(corpus.WorkspaceId, "", 10, Cancelled)).Single().State);
        Assert.Equal(DocumentState.Indexed, (await status.GetStatesAsync(corpus.WorkspaceId, ["none"], Cancelled))["none"]);
    }

    [Fact]
    public async Task Everything_AtTheSameDocuments_DoesNotEndInACircle()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "circle", "english", Cancelled);
        var ids = new[] { "a", "B", "c", "D", "ä", "Z", "e-1", "e_1", "e 1", "f" };
        var before = await DeadlocksAsync();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        end.CancelAfter(TimeSpan.FromSeconds(2));
        var letters = new DeadLetterStore(database.DataSource);
        var work = new List<Task>();
        for (var i = 0; i < 3; i++)
        {
            var random = new Random(i);
            work.Add(RepeatAsync(() => _documents.PutAsync(
                corpus.WorkspaceId,
                [.. ids.OrderBy(_ => random.Next()).Take(6).Select(id => Input(id, $"{random.Next()}"))],
                Cancelled)));
        }

        work.Add(RepeatAsync(() => _documents.DeleteAsync(corpus.WorkspaceId, ids[Random.Shared.Next(ids.Length)], Cancelled)));
        work.Add(RepeatAsync(() => _control.CancelAsync(corpus.WorkspaceId, Cancelled)));
        work.Add(RepeatAsync(async () =>
        {
            await letters.ReplayAsync(corpus.WorkspaceId, new(), Cancelled);
            await letters.DiscardAsync(corpus.WorkspaceId, new(), Cancelled);
        }));
        work.Add(RepeatAsync(async () =>
        {
            await _control.PauseAsync(corpus.WorkspaceId, Cancelled);
            await _control.ResumeAsync(corpus.WorkspaceId, Cancelled);
        }));
        for (var i = 0; i < 2; i++)
        {
            work.Add(RepeatAsync(() => IndexAsync(Guid.NewGuid())));
        }

        await Task.WhenAll(work);
        await _workspaces.DeleteAsync("circle", Cancelled);
        while (await _workspaces.PurgeAsync(100, Cancelled) > 0)
        {
        }

        Assert.Equal(before, await DeadlocksAsync());

        async Task RepeatAsync(Func<Task> step)
        {
            await Task.Yield();
            while (!end.IsCancellationRequested)
            {
                await step();
            }
        }
    }

    [Fact]
    public async Task Pause_WhileTasksAreWritten_ReturnsAtOnceAndNothingIsWrittenAfterIt()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "paused", "english", Cancelled);
        await _documents.PutAsync(corpus.WorkspaceId, [Input("held", "text"), Input("free", "text")], Cancelled);
        var owner = Guid.NewGuid();
        var claim = await _queue.ClaimAsync(owner, 10, TimeSpan.FromMinutes(1), default, Cancelled);
        var documents = (await _index.LoadAsync(claim.Tasks, Cancelled)).Where(s => s.Task.WorkspaceId == corpus.WorkspaceId).ToList();
        Assert.Equal(2, documents.Count);

        // A writer that has locked its task and does not go on.
        await using var connection = await database.DataSource.OpenConnectionAsync(Cancelled);
        await using var transaction = await connection.BeginTransactionAsync(Cancelled);
        await using var hold = new NpgsqlCommand("SELECT FROM tasks WHERE workspace_id = $1 AND document_id = 'held' FOR UPDATE", connection)
        {
            Parameters = { new() { Value = corpus.WorkspaceId } },
        };
        await hold.ExecuteNonQueryAsync(Cancelled);
        await _control.PauseAsync(corpus.WorkspaceId, Cancelled);
        await transaction.RollbackAsync(Cancelled);

        Assert.Empty(await _queue.ListHeldAsync(owner, [.. documents.Select(d => d.Task)], Cancelled));
        var outcomes = await _index.WriteAsync(owner, corpus.Workspace.Serving, [.. documents.Select(Document)], Cancelled);
        Assert.All(outcomes, outcome => Assert.Equal(IndexOutcome.Stale, outcome));
        Assert.Empty(await corpus.QueryAsync<long>("SELECT chunk_id FROM chunks WHERE workspace_id = $1", Cancelled));

        // Given back by the worker, it is there again after the pause.
        await _queue.ReleaseAsync(owner, [.. documents.Select(d => d.Task)], TimeSpan.Zero, Cancelled);
        await _control.ResumeAsync(corpus.WorkspaceId, Cancelled);
        Assert.Equal(2, (await _queue.ClaimAsync(owner, 10, TimeSpan.FromMinutes(1), default, Cancelled)).Tasks.Count(t => t.WorkspaceId == corpus.WorkspaceId));
    }

    private static DocumentInput Input(string id, string text) => new(id, "", text, "{}", 1);

    private static IndexDocument Document(IndexSource source) => new(
        source.Task,
        source.DocumentKey!.Value,
        DocumentHash.Of(source.Text!, null),
        [new(DocumentHash.Of(source.Text!, null)[..16], 0, 0, 0, "", source.Text!, SearchCorpus.RandomVector(new Random(1)))],
        []);

    private async Task<DocumentState> PutAsync(int workspaceId, int number)
    {
        try
        {
            return (await _documents.PutAsync(workspaceId, [Input("d" + number, "text")], Cancelled))[0].State;
        }
        catch (WorkspaceGoneException)
        {
            return DocumentState.Queued;
        }
    }

    private async Task IndexAsync(Guid owner)
    {
        var claim = await _queue.ClaimAsync(owner, 10, TimeSpan.FromSeconds(2), default, Cancelled);
        var sources = (await _index.LoadAsync(claim.Tasks, Cancelled)).ToList();
        foreach (var group in sources.Where(s => s is { Routed: true, DocumentKey: not null }).GroupBy(s => s.Space))
        {
            await _index.WriteAsync(owner, group.Key, [.. group.Select(Document)], Cancelled);
        }

        await _queue.FinishAsync(owner, [.. sources.Where(s => s.DocumentKey is null).Select(s => s.Task)], Cancelled);
        await _queue.ReleaseAllAsync(owner, Cancelled);
    }

    private async Task<long> DeadlocksAsync()
    {
        // Counted when a transaction ends, and reported at most a second later.
        await Task.Delay(TimeSpan.FromSeconds(1.2), Cancelled);
        await using var command = database.DataSource.CreateCommand("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
        return (long)(await command.ExecuteScalarAsync(Cancelled))!;
    }
}
