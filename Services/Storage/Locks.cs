namespace RagPlatform.Storage;

/// <summary>
/// What transactions lock, and in which order. Whoever locks more than one thing goes down this list, and within a line by the key, texts in the order of
/// their bytes (<c>COLLATE "C"</c>): then nobody waits in a circle.
/// <list type="number">
/// <item>advisory locks, below;</item>
/// <item><c>workspaces</c>: writers of documents share the row, so that a workspace that is being deleted has no late writes;</item>
/// <item><c>documents</c>;</item>
/// <item><c>tasks</c>;</item>
/// <item><c>dead_letters</c>;</item>
/// <item><c>chunks</c>, what belongs to them, and <c>indexed_documents</c>;</item>
/// <item><c>generations</c>;</item>
/// <item>
/// <c>workspaces</c> again, shared, by workers just before they commit: a pause or a deletion is waited for by nobody for longer than that. Whoever
/// changes a workspace's row therefore locks nothing else in that transaction but its keys and its route.
/// </item>
/// </list>
/// Leases are given, renewed and taken back without waiting: a task that somebody has is passed by (<c>SKIP LOCKED</c>). A deletion of a document locks
/// its chunks before its tasks; nobody meets it there, because everybody else has locked the document before.
/// </summary>
internal static class Locks
{
    /// <summary>The migration of the schema.</summary>
    public const string Schema = "7318349394477056";

    /// <summary>The registration of a space.</summary>
    public const string Spaces = "7318349394477057";

    /// <summary>Claims of tasks take turns.</summary>
    public const string Claims = "7318349394477058";

    /// <summary>The scheduling of checks.</summary>
    public const string Schedule = "7318349394477059";

    /// <summary>The folding of a workspace's keyword index; the second number is the workspace. Also in the trigger <c>workspaces_lexical</c>.</summary>
    public const string Folding = "1918985065";

    /// <summary>The building of a space's indexes; the second number is the space.</summary>
    public const string IndexBuilds = "731834939";
}
