using System.Text.Json.Nodes;

namespace RagPlatform.Lab.Drill.Fuzz;

/// <summary>One method of one path of a service.</summary>
/// <param name="Service">The service's name, for reports.</param>
/// <param name="Address">Where it answers.</param>
/// <param name="Method">The HTTP method.</param>
/// <param name="Path">The path, with names in braces.</param>
/// <param name="Queries">Names of parameters of the query.</param>
/// <param name="Body">A body with every member that there is; null when it takes none.</param>
/// <param name="Declared">Statuses that it says it can answer.</param>
internal sealed record FuzzOperation(
    string Service, Uri Address, string Method, string Path, IReadOnlyList<string> Queries, JsonNode? Body, IReadOnlySet<int> Declared)
{
    /// <summary>Members of the body that it cannot do without.</summary>
    public IReadOnlyList<string> Needed { get; init; } = [];

    /// <summary>Names in braces of the path.</summary>
    public IReadOnlyList<string> Places { get; } =
        [.. Path.Split('/').Where(segment => segment is ['{', .., '}']).Select(segment => segment.Trim('{', '}', '*').Split(':')[0])];

    /// <summary>Whether an answer never ends by itself.</summary>
    public bool Streams => Path.EndsWith("/progress", StringComparison.Ordinal);

    /// <inheritdoc />
    public override string ToString() => $"{Service} {Method} {Path}";
}
