using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Checks what attributes cannot say about a request.</summary>
internal static class SearchRequestReader
{
    /// <summary>Makes a search of a request.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="request">The request, its attributes checked.</param>
    /// <param name="time">The clock.</param>
    /// <param name="errors">What is wrong, by field; empty when nothing is.</param>
    public static SearchJob Read(WorkspaceRow workspace, SearchRequest request, TimeProvider time, out Dictionary<string, string[]> errors)
    {
        errors = [];
        Filter? filter = null;
        if (request.Filter is { } json)
        {
            filter = FilterParser.Parse(json, out errors);
        }

        var boosts = new List<(SearchBoost, Filter?)>();
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

            boosts.Add((boost, condition));
        }

        var job = new SearchJob(workspace, request, filter, boosts, time);
        if (request.Query.Contains('\0', StringComparison.Ordinal))
        {
            errors["query"] = ["The character U+0000 is not allowed."];
        }
        else if (job.Text.Words.Length == 0 && (job.Mode != SearchMode.Vector || request.Vector is null))
        {
            errors["query"] = ["Expected words."];
        }

        if (request.Vector is { } vector)
        {
            if (vector.Count != workspace.Serving.Dimensions)
            {
                errors["vector"] = [$"Expected {workspace.Serving.Dimensions} numbers, the dimensions of the workspace's space {workspace.Serving.Id}."];
            }
            else if (!vector.All(float.IsFinite) || vector.All(x => x == 0))
            {
                errors["vector"] = ["Expected finite numbers that are not all 0."];
            }
        }

        return job;
    }
}
