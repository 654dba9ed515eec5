using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Documents;

/// <summary>The id of a document, from the rest of the request's path. A '/' of the id may be written as it is or as <c>%2F</c>.</summary>
/// <param name="Value">The id as it is in the path; not checked yet.</param>
internal readonly record struct DocumentId(string Value)
{
    /// <summary>Called by the framework to supply the parameter. Never fails: <see cref="DocumentIds.Check"/> says what is wrong with an id.</summary>
    public static bool TryParse(string? value, out DocumentId id)
    {
        // Kestrel decodes everything but %2F, and RequestTargets refuses %252F: what is left of %2F can only stand for the slash.
        id = new((value ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase));
        return true;
    }
}
