using System.Globalization;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.Dashboard.Platform;

namespace RagPlatform.Dashboard.Search;

/// <summary>What is typed into the playground.</summary>
internal sealed class SearchForm
{
    public string? Workspace { get; set; }

    public string? Query { get; set; }

    public SearchMode Mode { get; set; }

    public SearchGrouping GroupBy { get; set; }

    public string? Limit { get; set; } = "10";

    public string? MinScore { get; set; }

    public string? Filter { get; set; }

    /// <summary>The fields that show errors of their own, by their paths in the API's request.</summary>
    public static IReadOnlyList<string> Fields { get; } = ["workspace", "query", "mode", "groupBy", "limit", "minScore", "filter"];

    /// <summary>Whether something beyond the query was chosen, which the page then shows.</summary>
    public bool HasOptions => GroupBy != default || Limit is not "10" || MinScore is { Length: > 0 } || Filter is { Length: > 0 };

    /// <summary>The API's request, or what keeps it from being one; the rest is for the API to judge.</summary>
    public (SearchRequest? Request, Failure? Failure) Read()
    {
        if (!int.TryParse(Limit, NumberStyles.Integer, CultureInfo.InvariantCulture, out var limit))
        {
            return (null, Failure.OfField("limit", "It must be a whole number."));
        }

        double? minScore = null;
        if (MinScore is { Length: > 0 })
        {
            if (!double.TryParse(MinScore, NumberStyles.Float, CultureInfo.InvariantCulture, out var score))
            {
                return (null, Failure.OfField("minScore", "It must be a number."));
            }

            minScore = score;
        }

        JsonElement? filter = null;
        if (!string.IsNullOrWhiteSpace(Filter))
        {
            try
            {
                filter = JsonElement.Parse(Filter);
            }
            catch (JsonException json)
            {
                var (line, position) = ((json.LineNumber ?? 0) + 1, (json.BytePositionInLine ?? 0) + 1);
                return (null, Failure.OfField(
                    "filter", string.Create(CultureInfo.InvariantCulture, $"It is not valid JSON (line {line}, byte {position}).")));
            }
        }

        return (new(Query ?? "", Mode, limit, 0, filter, minScore, GroupBy), null);
    }
}
