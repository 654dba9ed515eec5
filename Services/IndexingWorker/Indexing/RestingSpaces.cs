using System.Collections.Concurrent;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>Spaces in which nothing could be embedded the last time that this process tried: a few documents are enough to try again.</summary>
internal sealed class RestingSpaces
{
    private readonly ConcurrentDictionary<int, bool> _spaces = [];

    public bool Contains(int space) => _spaces.ContainsKey(space);

    public void Add(int space) => _spaces[space] = true;

    /// <summary>Something was embedded.</summary>
    /// <returns>Whether the space was resting.</returns>
    public bool Remove(int space) => _spaces.TryRemove(space, out _);

    public IReadOnlyCollection<int> List() => [.. _spaces.Keys];
}
