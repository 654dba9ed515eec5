using Microsoft.AspNetCore.Http.Extensions;

namespace RagPlatform.Dashboard.Shell;

/// <summary>Addresses of pages, relative to the site's root. Names and ids of others are escaped here and nowhere else.</summary>
internal static class Links
{
    public static string Workspace(string name, string? cursor = null) =>
        "workspaces/" + Uri.EscapeDataString(name) + Query(("cursor", cursor));

    /// <summary>A document's page. The id is in the query: it may hold slashes and anything else.</summary>
    public static string Document(string workspace, string id) =>
        "workspaces/" + Uri.EscapeDataString(workspace) + "/document" + Query(("id", id));

    public static string Keys(string workspace) => Workspace(workspace) + "/keys";

    public static string Search(string workspace) => "search" + Query(("workspace", workspace));

    /// <summary>The query of an address; what is null or empty is left out.</summary>
    public static string Query(params (string Name, string? Value)[] values)
    {
        var query = new QueryBuilder();
        foreach (var (name, value) in values)
        {
            if (value is { Length: > 0 })
            {
                query.Add(name, value);
            }
        }

        return query.ToString();
    }
}
