using System.Collections.Concurrent;
using RagPlatform.IndexingWorker.Queue;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>The tasks that this process works on: theirs are the leases that are renewed.</summary>
internal sealed class TasksInWork(TaskSignal signal)
{
    // By reference: a task that is given back can be claimed again before it is taken from here.
    private readonly ConcurrentDictionary<IndexTask, CancellationTokenSource> _tasks = new(ReferenceEqualityComparer.Instance);

    public int Count => _tasks.Count;

    /// <summary>How many there are of each space that has some.</summary>
    public IReadOnlyDictionary<int, int> CountBySpace() => _tasks.Keys.CountBy(task => task.SpaceId).ToDictionary();

    public IReadOnlyList<IndexTask> List() => [.. _tasks.Keys];

    public void Add(IEnumerable<IndexTask> tasks)
    {
        foreach (var task in tasks)
        {
            _tasks[task] = new();
        }
    }

    /// <summary>Whether a task has not ended.</summary>
    public bool Contains(IndexTask task) => _tasks.ContainsKey(task);

    /// <summary>Ends when the task is not ours any more: what is done for it is not written.</summary>
    public CancellationToken TokenOf(IndexTask task) => _tasks.TryGetValue(task, out var source) ? source.Token : CancellationToken.None;

    /// <summary>A task was taken away; what can be left undone is.</summary>
    public void Abandon(IndexTask task)
    {
        if (_tasks.TryGetValue(task, out var source))
        {
            source.Cancel();
        }
    }

    /// <summary>A task has ended; there is room for another one.</summary>
    public void Remove(IndexTask task)
    {
        // Not disposed: whoever abandons it this moment may still hold its source, which owns nothing.
        _tasks.TryRemove(task, out _);
        signal.Set();
    }
}
