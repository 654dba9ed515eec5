using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Checks what attributes cannot say about a request.</summary>
internal static class SearchRequestReader
{
    /// <summary>Makes a search of a request.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="request">The request, its attributes checked.</param>
    /// <param name="errors">What is wrong, by field; empty when nothing is.</param>
    public static SearchQuery Read(WorkspaceRow workspace, SearchRequest request, out Dictionary<string, string[]> errors)
    {
        errors = [];
        Filter? filter = null;
        if (request.Filter is { } json)
        {
            filter = FilterParser.Parse(json, out errors);
        }

        var boosts = new List<QueryBoost>();
        foreach (var (boost, i) in (request.Boosts ?? []).Select((b, i) => (b, i)))
        {
            Filter? condition = null;
            if (boost.Filter is { } of)
            {
                condition = FilterParser.Parse(of, out var wrong);
                foreach (var (place, messages) in wrong)
                {
                    errors[$"boosts[{i}].{place}"] = messages;
                }
            }
            else if (boost.HalfLifeDays is null)
            {
                errors[$"boosts[{i}]"] = ["Expected a filter, or halfLifeDays."];
            }

            boosts.Add(new(boost, condition));
        }

        var text = QueryText.Parse(request.Query);
        var mode = text.Resolve(request.Mode, request.Vector is not null);
        if (request.Query.Contains('\0', StringComparison.Ordinal))
        {
            errors["query"] = ["The character U+0000 is not allowed."];
        }
        else if (text.Words.Length == 0 && (mode != SearchMode.Vector || request.Vector is null))
        {
            errors["query"] = ["Expected words."];
        }

        float[]? vector = null;
        if (request.Vector is { } given)
        {
            if (given.Count != workspace.Serving.Dimensions)
            {
                errors["vector"] = [$"Expected {workspace.Serving.Dimensions} numbers, the dimensions of the workspace's space {workspace.Serving.Id}."];
            }
            else if ((vector = ToUnitLength(given)) is null)
            {
                errors["vector"] = ["Expected finite numbers that are not all 0."];
            }
        }

        return new(workspace, request, filter, boosts, text, mode, vector);
    }

    // A direction is all that cosine compares. Very large or small numbers overflow in the database's arithmetic, of single precision.
    private static float[]? ToUnitLength(IReadOnlyList<float> vector)
    {
        var norm = Math.Sqrt(vector.Sum(x => (double)x * x));
        return norm > 0 && double.IsFinite(norm) ? [.. vector.Select(x => (float)(x / norm))] : null;
    }
}
