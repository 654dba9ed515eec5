using System.Diagnostics;
using Npgsql;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>Writes documents of one space in one transaction: a seam for tests; else <see cref="IndexStore.WriteAsync"/>.</summary>
internal delegate Task<IReadOnlyList<IndexOutcome>> WriteDocuments(
    SpaceRow space, IReadOnlyList<IndexDocument> documents, CancellationToken cancellationToken);

/// <summary>
/// Writes finished documents. With nothing under way a document is written at once; what finishes meanwhile is written together, so that a
/// backlog of small documents does not pay for a commit each. Urgent documents go first and find a transaction that is kept for them, small ones find one
/// that large ones do not take; workspaces take turns, document by document, and none waits for many of another one's: where they share a transaction each
/// has a few documents in it, and a workspace that has none under way need not wait for one to end.
/// </summary>
internal sealed class IndexCommitter(WriteDocuments write, TimeProvider time)
{
    // The more documents share a transaction, the less each costs. The gain is small beyond this.
    private const int MaxDocuments = 128;

    private const int MinChunks = 32;
    private const int MaxChunks = 2_000;

    // One for what is of low priority, two for everything: who edits does not wait for a backfill's transactions.
    private const int MaxTransactions = 3;
    private const int MaxLowTransactions = 2;
    private const int MaxLargeTransactions = 2;
    private const short LowPriority = 0;

    // Above those, for workspaces that have none.
    private const int MoreTransactions = 2;

    // Of a workspace, in a transaction that several share.
    private const int MaxShared = 4;

    // Passages of a document that is written for seconds.
    private const int LargeDocument = 500;

    // A document waits for the transactions before it. Where each row costs much, as in a table with an HNSW index, they have to be small.
    private static readonly TimeSpan s_transaction = TimeSpan.FromMilliseconds(250);

    private readonly Lock _lock = new();
    private readonly Dictionary<(int Space, int Workspace, short Priority, bool Large), Lane> _lanes = [];
    private readonly Dictionary<int, int> _runningByWorkspace = [];
    private int _running;
    private int _runningLow;
    private int _runningLarge;
    private int _chunks = MaxChunks;
    private long _turns;

    /// <summary>Writes a document.</summary>
    /// <exception cref="NpgsqlException">It could not be written; <see cref="DatabaseFailure"/> says whether it might be later.</exception>
    public Task<IndexOutcome> WriteAsync(SpaceRow space, IndexDocument document, CancellationToken cancellationToken)
    {
        var item = new Item(space, document, cancellationToken);
        lock (_lock)
        {
            var key = (space.SpaceId, document.Task.WorkspaceId, document.Task.Priority, document.Chunks.Count >= LargeDocument);
            if (!_lanes.TryGetValue(key, out var lane))
            {
                _lanes.Add(key, lane = new());
            }

            lane.Waiting.Enqueue(item);
            Pump();
        }

        return item.Done.Task;
    }

    private void Pump()
    {
        while (_running < MaxTransactions + MoreTransactions && First() is { } first)
        {
            var (low, large) = (first.Priority <= LowPriority, first.Large);
            var batch = Take(first, alone: _running >= MaxTransactions);
            _running++;
            Count(batch, 1);
            _runningLow += low ? 1 : 0;
            _runningLarge += large ? 1 : 0;
            _ = RunAsync(batch, low, large);
        }
    }

    // The most urgent for which there is a transaction, and of those the one that was served longest ago.
    private (int Space, int Workspace, short Priority, bool Large)? First()
    {
        var open = _lanes.Where(lane => (lane.Key.Priority > LowPriority || _runningLow < MaxLowTransactions)
            && (!lane.Key.Large || _runningLarge < MaxLargeTransactions)
            && (_running < MaxTransactions || IsNew(lane.Key)));
        return open.Select(lane => (lane.Key, Rank: (-lane.Key.Priority, lane.Value.Served))).DefaultIfEmpty().MinBy(lane => lane.Rank) is { Key.Space: > 0 } first
            ? first.Key
            : null;
    }

    private bool IsNew((int Space, int Workspace, short Priority, bool Large) lane) =>
        lane.Priority > LowPriority && !lane.Large && !_runningByWorkspace.ContainsKey(lane.Workspace);

    private void Count(List<Item> batch, int difference)
    {
        foreach (var workspace in batch.Select(item => item.Document.Task.WorkspaceId).Distinct())
        {
            if ((_runningByWorkspace[workspace] = _runningByWorkspace.GetValueOrDefault(workspace) + difference) == 0)
            {
                _runningByWorkspace.Remove(workspace);
            }
        }
    }

    // A document from each workspace in turn: all of one priority, so that none waits for what is less urgent.
    private List<Item> Take((int Space, int Workspace, short Priority, bool Large) first, bool alone)
    {
        var batch = new List<Item>();
        var chunks = 0;
        var held = new HashSet<long>();
        var turns = new Queue<KeyValuePair<(int Space, int Workspace, short Priority, bool Large), Lane>>(
            _lanes.Where(lane => alone ? lane.Key == first : lane.Key == first with { Workspace = lane.Key.Workspace }).OrderBy(lane => lane.Value.Served));
        var most = turns.Count > 1 ? MaxShared : MaxDocuments;
        var taken = new Dictionary<int, int>();
        while (batch.Count < MaxDocuments && (batch.Count == 0 || chunks < _chunks) && turns.TryDequeue(out var next))
        {
            // The same document again: in a transaction of its own, and nothing of its workspace before it.
            if (!held.Add(next.Value.Waiting.Peek().Document.DocumentKey))
            {
                continue;
            }

            var item = next.Value.Waiting.Dequeue();
            taken[next.Key.Workspace] = taken.GetValueOrDefault(next.Key.Workspace) + 1;
            batch.Add(item);
            chunks += item.Document.Chunks.Count;
            next.Value.Served = ++_turns;
            if (next.Value.Waiting.Count == 0)
            {
                _lanes.Remove(next.Key);
            }
            else if (taken[next.Key.Workspace] < most)
            {
                turns.Enqueue(next);
            }
        }

        return batch;
    }

    private async Task RunAsync(List<Item> batch, bool low, bool large)
    {
        // Off the caller's lock.
        await Task.Yield();
        var begin = time.GetTimestamp();
        using var activity = IndexingTraces.BeginShared("write documents", batch.Select(item => item.Trace));
        activity?.SetTag("rag.documents", batch.Count).SetTag("rag.space", batch[0].Space.Id);
        try
        {
            await WriteAsync(batch);
        }
        finally
        {
            var elapsed = time.GetElapsedTime(begin);
            lock (_lock)
            {
                _running--;
                Count(batch, -1);
                _runningLow -= low ? 1 : 0;
                _runningLarge -= large ? 1 : 0;
                Adapt(batch.Sum(item => item.Document.Chunks.Count), elapsed);
                Pump();
            }
        }
    }

    // What a small transaction takes says little about what a chunk costs: only one that was full, or slow, counts.
    private void Adapt(int chunks, TimeSpan elapsed)
    {
        if (elapsed > s_transaction || chunks >= _chunks)
        {
            var fitting = chunks * (s_transaction / (elapsed + TimeSpan.FromMilliseconds(1)));
            _chunks = (int)Math.Clamp((_chunks + fitting) / 2, MinChunks, MaxChunks);
        }
    }

    private async Task WriteAsync(List<Item> batch)
    {
        try
        {
            batch[0].CancellationToken.ThrowIfCancellationRequested();
            var outcomes = await write(batch[0].Space, batch.ConvertAll(i => i.Document), batch[0].CancellationToken);
            for (var i = 0; i < batch.Count; i++)
            {
                batch[i].Done.TrySetResult(outcomes[i]);
            }
        }
        catch (PostgresException e) when (batch.Count > 1 && !DatabaseFailure.IsTransient(e))
        {
            // One of them cannot be written: each for itself.
            foreach (var item in batch)
            {
                await WriteAsync([item]);
            }
        }
        catch (Exception e)
        {
            foreach (var item in batch)
            {
                item.Done.TrySetException(e);
            }
        }
    }

    private sealed class Lane
    {
        public Queue<Item> Waiting { get; } = [];

        public long Served { get; set; }
    }

    private sealed record Item(SpaceRow Space, IndexDocument Document, CancellationToken CancellationToken)
    {
        public TaskCompletionSource<IndexOutcome> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ActivityContext Trace { get; } = IndexingTraces.Current;
    }
}
