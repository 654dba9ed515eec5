using System.Text.RegularExpressions;
using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Workspaces;

/// <summary>The form of a workspace's name.</summary>
internal static partial class WorkspaceNames
{
    /// <summary>Whether a workspace may have this name. What may not, is not asked of the database.</summary>
    public static bool IsValid(string name) => Pattern().IsMatch(name);

    [GeneratedRegex(WorkspaceCreate.NamePattern)]
    private static partial Regex Pattern();
}
