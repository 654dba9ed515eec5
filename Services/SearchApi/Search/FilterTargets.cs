using System.Text.Json;
using System.Text.Json.Nodes;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <content>What conditions can be about: a member of the metadata, the document's id, or one of its times.</content>
internal sealed partial class FilterParser
{
    // What a condition is about.
    private abstract class Target
    {
        /// <summary>How many values may be in one list of <c>$in</c>.</summary>
        public virtual int MaxListLength => MaxTerms;

        public abstract Filter? Equal(FilterParser parser, JsonElement value, string place);

        public abstract Filter? Compare(FilterParser parser, FilterOperator comparison, JsonElement value, string place);
    }

    private sealed class MemberTarget(string[] path) : Target
    {
        public string[] Path => path;

        public override int MaxListLength => MaxListedValues;

        public override Filter? Equal(FilterParser parser, JsonElement value, string place)
        {
            var node = parser.Value(value, place, out var valid);
            return valid
                ? new EqualsFilter(path, value.GetRawText(), Wrap(node), value.ValueKind is not (JsonValueKind.Array or JsonValueKind.Object))
                : null;
        }

        public override Filter? Compare(FilterParser parser, FilterOperator comparison, JsonElement value, string place) => value.ValueKind switch
        {
            JsonValueKind.Number => parser.IsNumber(value, place) ? new NumberFilter(path, comparison, value.GetRawText()) : null,
            JsonValueKind.String => parser.String(value, place) is { } text ? new StringFilter(path, comparison, text) : null,
            _ => parser.Error(place, "Expected a number or a string."),
        };

        public Filter? Contains(FilterParser parser, JsonElement value, string place)
        {
            var elements = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToList() : [value];
            if (elements.Count == 0 || elements.Exists(e => e.ValueKind is JsonValueKind.Array or JsonValueKind.Object))
            {
                return parser.Error(place, "Expected a value, or an array of at least one value, that is neither array nor object.");
            }

            var nodes = new JsonArray();
            foreach (var element in elements)
            {
                parser._terms++;
                nodes.Add(parser.Value(element, place, out var valid));
                if (!valid)
                {
                    return null;
                }
            }

            return new ContainsFilter(Wrap(nodes));
        }

        private string Wrap(JsonNode? value)
        {
            for (var i = path.Length - 1; i >= 0; i--)
            {
                value = new JsonObject { [path[i]] = value };
            }

            return value!.ToJsonString();
        }
    }

    private sealed class IdTarget : Target
    {
        public override int MaxListLength => MaxListedIds;

        public override Filter? Equal(FilterParser parser, JsonElement value, string place) =>
            value.ValueKind != JsonValueKind.String ? parser.Error(place, "Expected a document's id, a string.")
            : parser.String(value, place) is { } id ? new IdFilter([id])
            : null;

        public override Filter? Compare(FilterParser parser, FilterOperator comparison, JsonElement value, string place) =>
            parser.Error(place, "Ids can be compared by $eq, $ne, $in and $nin only.");
    }

    private sealed class TimeTarget(FilterTime time) : Target
    {
        public override Filter? Equal(FilterParser parser, JsonElement value, string place) =>
            Compare(parser, FilterOperator.GreaterThanOrEqual, value, place) is { } from
            && Compare(parser, FilterOperator.LessThanOrEqual, value, place) is { } to
                ? new AndFilter([from, to])
                : null;

        public override Filter? Compare(FilterParser parser, FilterOperator comparison, JsonElement value, string place) =>
            value.ValueKind != JsonValueKind.String ? parser.Error(place, IsoTime.Expected)
            : parser.String(value, place) is not { } text ? null
            : IsoTime.TryParse(text) is { } at ? new TimeFilter(time, comparison, at)
            : parser.Error(place, IsoTime.Expected);
    }
}
