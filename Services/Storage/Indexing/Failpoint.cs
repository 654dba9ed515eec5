namespace RagPlatform.Storage;

/// <summary>
/// Places at which a drill lets things die: see <c>rag drill indexing</c>. Where nobody drills, a hit is a comparison with null.
/// </summary>
public static class Failpoint
{
    /// <summary>Every name, in the order in which a task comes by.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "claim.before", "claim.done", "renew.before", "renew.done", "load.before", "load.done", "known.done", "split.done", "embed.done",
        "write.begin", "write.locked", "write.ids", "write.chunks_copied", "write.vectors_copied", "write.before_finish", "write.finished",
        "write.committed", "finish.before", "finish.done", "release.before", "release.done", "fail.before", "fail.done", "bury.before",
        "bury.done", "fold.before", "reindex.before", "reindex.done",
    ];

    /// <summary>What happens at a hit; null, the default, is nothing. It may block, and the process may be killed meanwhile.</summary>
    public static Action<string>? Handler { get; set; }

    /// <summary>Passes a place.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    public static void Hit(string name) => Handler?.Invoke(name);
}
