using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>
/// Writes finished documents. With nothing under way a document is written at once; what finishes meanwhile is written together, so that a
/// backlog of small documents does not pay for a commit each.
/// </summary>
internal sealed class IndexCommitter(IndexStore store, WorkerIdentity identity)
{
    private const int MaxDocuments = 64;
    private const int MaxChunks = 2_000;
    private const int MaxTransactions = 2;

    private readonly Lock _lock = new();
    private readonly Dictionary<int, Queue<Item>> _waiting = [];
    private int _running;

    /// <summary>Writes a document.</summary>
    /// <exception cref="NpgsqlException">It could not be written; <see cref="System.Data.Common.DbException.IsTransient"/> says whether it might be later.</exception>
    public Task<IndexOutcome> WriteAsync(SpaceRow space, IndexDocument document, CancellationToken cancellationToken)
    {
        var item = new Item(space, document, cancellationToken);
        lock (_lock)
        {
            if (!_waiting.TryGetValue(space.SpaceId, out var queue))
            {
                _waiting.Add(space.SpaceId, queue = []);
            }

            queue.Enqueue(item);
            Pump();
        }

        return item.Done.Task;
    }

    private void Pump()
    {
        while (_running < MaxTransactions && _waiting.FirstOrDefault(w => w.Value.Count > 0).Value is { } queue)
        {
            var batch = new List<Item>();
            var chunks = 0;
            var held = new HashSet<long>();
            while (batch.Count < MaxDocuments && chunks < MaxChunks && queue.TryPeek(out var item) && held.Add(item.Document.DocumentKey))
            {
                batch.Add(queue.Dequeue());
                chunks += item.Document.Chunks.Count;
            }

            _running++;
            _ = RunAsync(batch);
        }
    }

    private async Task RunAsync(List<Item> batch)
    {
        // Off the caller's lock.
        await Task.Yield();
        try
        {
            await WriteAsync(batch);
        }
        finally
        {
            lock (_lock)
            {
                _running--;
                Pump();
            }
        }
    }

    private async Task WriteAsync(List<Item> batch)
    {
        try
        {
            batch[0].CancellationToken.ThrowIfCancellationRequested();
            var outcomes = await store.WriteAsync(
                identity.Id, batch[0].Space, batch.ConvertAll(i => i.Document), batch[0].CancellationToken);
            for (var i = 0; i < batch.Count; i++)
            {
                batch[i].Done.TrySetResult(outcomes[i]);
            }
        }
        catch (PostgresException e) when (batch.Count > 1 && !e.IsTransient)
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

    private sealed record Item(SpaceRow Space, IndexDocument Document, CancellationToken CancellationToken)
    {
        public TaskCompletionSource<IndexOutcome> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
