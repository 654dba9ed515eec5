using Microsoft.Extensions.Options;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>
/// The memory that documents in work may take: their texts, passages and vectors, as estimated by the length of the text. A document begins when there is
/// room; one that is larger than all of it begins when it is alone. Small documents pass by large ones that wait, but not for ever.
/// </summary>
internal sealed class WorkMemory(IOptions<IndexingOptions> options)
{
    // More need not be in hand: they are better off in the queue, where others can have their places.
    private const int MaxWaiting = 16;

    private const int MaxPassedBy = 100;

    // Measured with 151 documents of 2 million characters each: 13 MB a document.
    private const int BytesPerCharacter = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<IndexTask, long> _taken = new(ReferenceEqualityComparer.Instance);
    private readonly LinkedList<Waiter> _waiting = [];
    private long _used;

    /// <summary>Bytes that are taken.</summary>
    public long Used
    {
        get
        {
            lock (_lock)
            {
                return _used;
            }
        }
    }

    /// <summary>Waits for room.</summary>
    /// <param name="task">The task; <see cref="Free"/> gives its room back.</param>
    /// <param name="cancellationToken">Ends waiting.</param>
    /// <returns>False when enough others wait already: nothing was taken then.</returns>
    public async Task<bool> TryTakeAsync(IndexTask task, CancellationToken cancellationToken)
    {
        var waiter = new Waiter(task, (long)task.Length * BytesPerCharacter);
        lock (_lock)
        {
            if (Fits(waiter) && _waiting.First is not { Value.PassedBy: >= MaxPassedBy })
            {
                foreach (var other in _waiting)
                {
                    other.PassedBy++;
                }

                Take(waiter);
                return true;
            }

            if (_waiting.Count >= MaxWaiting)
            {
                return false;
            }

            // The urgent before the others.
            var place = _waiting.First;
            while (place is not null && place.Value.Task.Priority >= task.Priority)
            {
                place = place.Next;
            }

            _ = place is null ? _waiting.AddLast(waiter) : _waiting.AddBefore(place, waiter);
        }

        try
        {
            await waiter.Admitted.Task.WaitAsync(cancellationToken);
            return true;
        }
        catch (OperationCanceledException)
        {
            lock (_lock)
            {
                if (!_waiting.Remove(waiter))
                {
                    FreeLocked(task);
                }
            }

            throw;
        }
    }

    /// <summary>Gives back what a task has taken, if it has.</summary>
    public void Free(IndexTask task)
    {
        lock (_lock)
        {
            FreeLocked(task);
        }
    }

    private bool Fits(Waiter waiter) => _used == 0 || _used + waiter.Bytes <= options.Value.WorkMemory * 1024L * 1024L;

    private void Take(Waiter waiter)
    {
        _taken[waiter.Task] = waiter.Bytes;
        _used += waiter.Bytes;
    }

    private void FreeLocked(IndexTask task)
    {
        if (!_taken.Remove(task, out var bytes))
        {
            return;
        }

        _used -= bytes;
        while (_waiting.First is { } first && Fits(first.Value))
        {
            _waiting.RemoveFirst();
            Take(first.Value);
            first.Value.Admitted.SetResult();
        }
    }

    private sealed class Waiter(IndexTask task, long bytes)
    {
        public IndexTask Task { get; } = task;

        public long Bytes { get; } = bytes;

        public int PassedBy { get; set; }

        public TaskCompletionSource Admitted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
