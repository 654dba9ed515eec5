using System.Collections.Concurrent;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Workspaces;

/// <summary>
/// Workspaces by name, for the path of every request. An entry lives a second at most and less when a notification says that the workspace has
/// changed, so its <see cref="WorkspaceRow.Generation"/> may be that old: what must not be, asks <see cref="WorkspaceStore.FindGenerationAsync"/>.
/// </summary>
internal sealed class WorkspaceCache(WorkspaceStore store, TimeProvider time)
{
    private const int MaxEntries = 20_000;

    private static readonly TimeSpan s_lifetime = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<int, string> _names = new();
    private long _invalidations;

    /// <summary>A workspace, or null if there is none of that name.</summary>
    public async ValueTask<WorkspaceRow?> FindAsync(string name, CancellationToken cancellationToken)
    {
        if (_entries.TryGetValue(name, out var entry) && time.GetElapsedTime(entry.ReadAt) < s_lifetime)
        {
            return entry.Row;
        }

        var readAt = time.GetTimestamp();
        var invalidations = Volatile.Read(ref _invalidations);
        var row = await DatabaseDeadline.WaitAsync(token => store.FindAsync(name, token), DatabaseDeadline.Short, time, cancellationToken);
        if (row is null)
        {
            _entries.TryRemove(name, out _);
            return null;
        }

        if (_entries.Count >= MaxEntries)
        {
            Clear();
        }

        // What was invalidated while it was read may be old already.
        if (Volatile.Read(ref _invalidations) == invalidations)
        {
            _entries[name] = new(row, readAt);
            _names[row.WorkspaceId] = name;
        }

        return row;
    }

    /// <summary>Forgets a workspace that has changed.</summary>
    public void Invalidate(int workspaceId)
    {
        Interlocked.Increment(ref _invalidations);
        if (_names.TryRemove(workspaceId, out var name))
        {
            _entries.TryRemove(name, out _);
        }
    }

    /// <summary>Forgets everything: notifications may have been missed.</summary>
    public void Clear()
    {
        Interlocked.Increment(ref _invalidations);
        _entries.Clear();
        _names.Clear();
    }

    private readonly record struct Entry(WorkspaceRow Row, long ReadAt);
}
