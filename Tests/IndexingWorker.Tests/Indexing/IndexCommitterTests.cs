using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Tests.Indexing;

public sealed class IndexCommitterTests
{
    private static readonly SpaceRow s_space = new(1, "space", "model", "", 4, true, "", "", 0, true);

    private readonly Clock _time = new();
    private readonly List<(IReadOnlyList<IndexDocument> Documents, TaskCompletionSource Go)> _transactions = [];
    private readonly IndexCommitter _committer;
    private long _keys;

    public IndexCommitterTests() => _committer = new(WriteAsync, _time);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Write_UrgentDocumentBesideABackfill_DoesNotWaitForIt()
    {
        var backfill = Write(workspace: 1, priority: 0, count: 3);
        await TransactionsAsync(2);

        // Both transactions of a backfill are under way, and more of it waits.
        var edit = Write(workspace: 2, priority: 1, count: 1);
        await TransactionsAsync(3);

        Assert.Equal(2, Assert.Single(_transactions[2].Documents).Task.WorkspaceId);
        _transactions[2].Go.SetResult();
        await Task.WhenAll(edit);
        Assert.All(backfill, task => Assert.False(task.IsCompleted));
        await FinishAsync(backfill);
    }

    [Fact]
    public async Task Write_WhatWaitsWhileTransactionsRun_SharesTheNextAndWorkspacesTakeTurns()
    {
        Task<IndexOutcome>[] first =
        [
            .. Write(workspace: 1, priority: 1, count: 3), .. Write(workspace: 2, priority: 1, count: 1), .. Write(workspace: 3, priority: 1, count: 1),
        ];
        await TransactionsAsync(5);
        var large = Write(workspace: 1, priority: 1, count: 300);
        var small = Write(workspace: 2, priority: 1, count: 10);

        foreach (var running in _transactions.Where(transaction => transaction.Documents[0].Task.WorkspaceId == 1).ToList())
        {
            running.Go.SetResult();
        }

        await TransactionsAsync(6);

        // Neither pays for many of the other one's.
        Assert.Equal([4, 4], _transactions[5].Documents.CountBy(d => d.Task.WorkspaceId).Select(pair => pair.Value));
        await FinishAsync([.. first, .. large, .. small]);
    }

    [Fact]
    public async Task Write_OneWorkspaceHasAllTransactions_AnotherOneGetsOneAtOnceForItself()
    {
        var load = Write(workspace: 1, priority: 1, count: 300);
        await TransactionsAsync(3);
        var edit = Write(workspace: 2, priority: 1, count: 1);

        await TransactionsAsync(4);

        Assert.Equal(2, Assert.Single(_transactions[3].Documents).Task.WorkspaceId);
        _transactions[3].Go.SetResult();
        await Task.WhenAll(edit);
        Assert.All(load, task => Assert.False(task.IsCompleted));
        await FinishAsync(load);
    }

    [Fact]
    public async Task Write_TransactionsThatTakeLong_BecomeSmaller()
    {
        var all = Write(workspace: 1, priority: 0, count: 600);
        await TransactionsAsync(2);
        for (var i = 2; i < 8; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            _transactions[i - 2].Go.SetResult();
            await TransactionsAsync(i + 1);
        }

        Assert.InRange(_transactions[7].Documents.Count, 1, _transactions[2].Documents.Count / 2);
        await FinishAsync(all);
    }

    [Fact]
    public async Task Write_SmallDocumentBehindLargeOnesOfItsWorkspace_PassesThemBy()
    {
        var large = Write(workspace: 1, priority: 1, count: 5, passages: 600);
        await TransactionsAsync(2);
        var small = Write(workspace: 1, priority: 1, count: 1);
        await TransactionsAsync(3);

        Assert.Equal(10, Assert.Single(_transactions[2].Documents).Chunks.Count);
        _transactions[2].Go.SetResult();
        await Task.WhenAll(small);
        Assert.Equal(3, _transactions.Count);
        await FinishAsync(large);
    }

    private static IndexDocument Document(int workspace, short priority, long key, int passages) => new(
        new IndexTask(workspace, $"d{key}", 1, key, priority, 0, 1, DateTimeOffset.UnixEpoch),
        key,
        [],
        [.. Enumerable.Range(0, passages).Select(i => new IndexChunk([], i, 0, 0, "", "", default))],
        []);

    private List<Task<IndexOutcome>> Write(int workspace, short priority, int count, int passages = 10) =>
        [.. Enumerable.Range(0, count).Select(_ => _committer.WriteAsync(s_space, Document(workspace, priority, ++_keys, passages), Cancelled))];

    private async Task<IReadOnlyList<IndexOutcome>> WriteAsync(
        SpaceRow space, IReadOnlyList<IndexDocument> documents, CancellationToken cancellationToken)
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_transactions)
        {
            _transactions.Add((documents, go));
        }

        await go.Task.WaitAsync(cancellationToken);
        return [.. documents.Select(_ => IndexOutcome.Written)];
    }

    private async Task TransactionsAsync(int count)
    {
        while (true)
        {
            lock (_transactions)
            {
                if (_transactions.Count >= count)
                {
                    Assert.Equal(count, _transactions.Count);
                    return;
                }
            }

            await Task.Delay(1, Cancelled);
        }
    }

    // Lets everything through that is under way or still to come.
    private async Task FinishAsync(IReadOnlyCollection<Task<IndexOutcome>> all)
    {
        while (!all.All(task => task.IsCompleted))
        {
            lock (_transactions)
            {
                _transactions.ForEach(transaction => transaction.Go.TrySetResult());
            }

            await Task.Delay(1, Cancelled);
        }
    }

    private sealed class Clock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Volatile.Read(ref _ticks);

        public void Advance(TimeSpan time) => Interlocked.Add(ref _ticks, time.Ticks);
    }
}
