using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>A search that is asked for often.</summary>
/// <param name="WorkspaceId">Its workspace.</param>
/// <param name="Workspace">The workspace's name: another may have it later, so the key counts.</param>
/// <param name="Request">What is asked.</param>
internal sealed record PopularQuery(int WorkspaceId, string Workspace, SearchRequest Request);

/// <summary>
/// Counts the searches of this process. Older ones count less, and what is asked for seldom is forgotten, so memory is bounded. Only first pages of
/// text queries are counted: they are what many ask alike.
/// </summary>
/// <param name="isCounting">False when nobody needs the counts: then no search is remembered.</param>
internal sealed class PopularQueries(bool isCounting = true)
{
    /// <summary>How many different searches are counted at most.</summary>
    public const int MaxEntries = 2_000;

    // Asked once, a query is as likely never to come again.
    private const double Often = 2;

    private readonly Lock _lock = new();
    private readonly Dictionary<(int WorkspaceId, string Hash), Entry> _entries = [];

    /// <summary>Counts a search.</summary>
    /// <param name="workspace">Its workspace.</param>
    /// <param name="request">What was asked.</param>
    /// <param name="hash">Equal for requests that have the same answer.</param>
    public void Count(WorkspaceRow workspace, SearchRequest request, string hash)
    {
        if (isCounting && request.Offset == 0 && request.Vector is null)
        {
            Add(new(workspace.WorkspaceId, workspace.Name, request with { MinGeneration = null }), hash, 1, isNew: true);
        }
    }

    /// <summary>Takes over what was counted before this process started.</summary>
    public void Restore(PopularQuery query, string hash, double count) => Add(query, hash, count, isNew: false);

    /// <summary>What was asked for at least twice, the most popular first.</summary>
    /// <param name="workspaceId">Of one workspace; null for all.</param>
    /// <param name="limit">The most to return.</param>
    public IReadOnlyList<PopularQuery> Top(int? workspaceId, int limit)
    {
        lock (_lock)
        {
            return
            [
                .. _entries.Where(e => e.Value.Count >= Often && (workspaceId is null || e.Key.WorkspaceId == workspaceId))
                    .OrderByDescending(e => e.Value.Count).Take(limit).Select(e => e.Value.Query),
            ];
        }
    }

    /// <summary>What was asked for since this was called last, with how often.</summary>
    public IReadOnlyList<(PopularQuery Query, double Count)> TakeNew()
    {
        lock (_lock)
        {
            var taken = new List<(PopularQuery, double)>();
            foreach (var entry in _entries.Values.Where(e => e.New > 0 && e.Count >= Often))
            {
                taken.Add((entry.Query, entry.New));
                entry.New = 0;
            }

            return taken;
        }
    }

    /// <summary>Gives back what <see cref="TakeNew"/> took and could not be written.</summary>
    public void Return(IReadOnlyList<(PopularQuery Query, double Count)> taken)
    {
        lock (_lock)
        {
            foreach (var (query, count) in taken)
            {
                if (_entries.GetValueOrDefault((query.WorkspaceId, ResultCache.HashOf(query.Request))) is { } entry)
                {
                    entry.New += count;
                }
            }
        }
    }

    /// <summary>The workspaces whose searches are remembered.</summary>
    public IReadOnlyList<int> Workspaces()
    {
        lock (_lock)
        {
            return [.. _entries.Keys.Select(key => key.WorkspaceId).Distinct()];
        }
    }

    /// <summary>Forgets the searches of a workspace.</summary>
    public void Forget(int workspaceId)
    {
        lock (_lock)
        {
            foreach (var key in _entries.Keys.Where(key => key.WorkspaceId == workspaceId).ToList())
            {
                _entries.Remove(key);
            }
        }
    }

    private void Add(PopularQuery query, string hash, double count, bool isNew)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue((query.WorkspaceId, hash), out var entry))
            {
                if (_entries.Count >= MaxEntries)
                {
                    Age();
                }

                entry = _entries[(query.WorkspaceId, hash)] = new(query);
            }

            entry.Count += count;
            entry.New += isNew ? count : 0;
        }
    }

    // Each time at least a quarter goes, so that the next searches find room.
    private void Age()
    {
        foreach (var key in _entries.OrderBy(e => e.Value.Count).Take(MaxEntries / 4).Select(e => e.Key).ToList())
        {
            _entries.Remove(key);
        }

        foreach (var entry in _entries.Values)
        {
            entry.Count /= 2;
        }
    }

    private sealed class Entry(PopularQuery query)
    {
        public PopularQuery Query { get; } = query;

        public double Count { get; set; }

        public double New { get; set; }
    }
}
