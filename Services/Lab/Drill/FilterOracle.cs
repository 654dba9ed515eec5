using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace RagPlatform.Lab.Drill;

/// <summary>Decides a filter on one document the plain way, and makes random filters and documents.</summary>
internal static class FilterOracle
{
    private static readonly string[] s_names = ["a", "b", "n.x", "n.y", "tags", "s", "none"];

    /// <summary>Whether a document meets a filter.</summary>
    public static bool Matches(JsonElement filter, string id, DateTimeOffset updatedAt, JsonElement metadata) =>
        filter.EnumerateObject().All(condition => condition.Name switch
        {
            "$and" => condition.Value.EnumerateArray().All(f => Matches(f, id, updatedAt, metadata)),
            "$or" => condition.Value.EnumerateArray().Any(f => Matches(f, id, updatedAt, metadata)),
            "$not" => !Matches(condition.Value, id, updatedAt, metadata),
            "$id" => Meets(condition.Value, JsonSerializer.SerializeToElement(id)),
            "$updatedAt" => condition.Value.EnumerateObject().All(c =>
                Compare(c.Name, updatedAt.CompareTo(DateTimeOffset.Parse(c.Value.GetString()!, CultureInfo.InvariantCulture)))),
            _ => Meets(condition.Value, Find(metadata, condition.Name.Split('.'))),
        });

    /// <summary>A filter with up to <paramref name="depth"/> levels.</summary>
    public static JsonObject RandomFilter(Random random, int depth)
    {
        var filter = new JsonObject();
        for (var i = random.Next(1, 3); i > 0; i--)
        {
            switch (random.Next(depth > 1 ? 10 : 7))
            {
                case 7:
                    filter["$and"] = new JsonArray(RandomFilter(random, depth - 1), RandomFilter(random, depth - 1));
                    break;
                case 8:
                    filter["$or"] = new JsonArray(RandomFilter(random, depth - 1), RandomFilter(random, depth - 1), RandomFilter(random, depth - 1));
                    break;
                case 9:
                    filter["$not"] = RandomFilter(random, depth - 1);
                    break;
                case 6:
                    filter["$id"] = new JsonObject { ["$in"] = new JsonArray(RandomId(random), RandomId(random), RandomId(random)) };
                    break;
                default:
                    filter[s_names[random.Next(s_names.Length)]] = RandomCondition(random);
                    break;
            }
        }

        return filter;
    }

    /// <summary>Metadata with values of every kind at the same names.</summary>
    public static string RandomMetadata(Random random)
    {
        var metadata = new JsonObject();
        foreach (var name in s_names.SkipLast(1))
        {
            if (random.Next(4) == 0)
            {
                continue;
            }

            var path = name.Split('.');
            var owner = metadata;
            if (path.Length == 2)
            {
                if (metadata[path[0]] is not JsonObject nested)
                {
                    metadata[path[0]] = nested = [];
                }

                owner = nested;
            }

            owner[path[^1]] = name == "tags" || random.Next(12) == 0
                ? new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => RandomValue(random))])
                : RandomValue(random);
        }

        if (random.Next(10) == 0)
        {
            metadata["n"] = 5;
        }

        return metadata.ToJsonString();
    }

    public static string RandomId(Random random) => "d" + random.Next(300).ToString(CultureInfo.InvariantCulture);

    private static JsonNode? RandomCondition(Random random)
    {
        switch (random.Next(10))
        {
            case 0:
                return new JsonObject { ["$in"] = new JsonArray(RandomValue(random), RandomValue(random)) };
            case 1:
                return new JsonObject { ["$nin"] = new JsonArray(RandomValue(random), RandomValue(random)) };
            case 2:
                return new JsonObject { ["$exists"] = random.Next(2) == 0 };
            case 3:
                return new JsonObject { ["$contains"] = RandomValue(random) };
            case 4:
                return new JsonObject { ["$contains"] = new JsonArray(RandomValue(random), RandomValue(random)) };
            case 5:
                return new JsonObject { ["$ne"] = RandomValue(random) };
            case 6:
                return new JsonObject { ["$not"] = new JsonObject { [RandomComparison(random)] = random.Next(5) } };
            case 7:
                return new JsonObject { [RandomComparison(random)] = RandomString(random) };
            case 8:
                return new JsonObject { ["$gte"] = random.Next(3), ["$lt"] = random.Next(6) - 0.5 };
            default:
                return RandomValue(random);
        }
    }

    private static string RandomComparison(Random random) => random.GetItems<string>(["$gt", "$gte", "$lt", "$lte"], 1)[0];

    private static JsonNode? RandomValue(Random random) => random.Next(8) switch
    {
        0 => null,
        1 => random.Next(2) == 0,
        2 => random.Next(5) + 0.5,
        3 => JsonNode.Parse("1.0"),
        4 or 5 => RandomString(random),
        _ => random.Next(5),
    };

    private static string RandomString(Random random) => random.GetItems<string>(["", "x", "X", "xy", "é", "z", "1", "a'b\\c\"", "𝄞"], 1)[0];

    private static bool Meets(JsonElement condition, JsonElement? value)
    {
        if (condition.ValueKind != JsonValueKind.Object || !condition.EnumerateObject().Any(c => c.Name.StartsWith('$')))
        {
            return Same(value, condition);
        }

        return condition.EnumerateObject().All(c => c.Name switch
        {
            "$eq" => Same(value, c.Value),
            "$ne" => !Same(value, c.Value),
            "$in" => c.Value.EnumerateArray().Any(v => Same(value, v)),
            "$nin" => !c.Value.EnumerateArray().Any(v => Same(value, v)),
            "$exists" => value is not null == c.Value.GetBoolean(),
            "$not" => !Meets(c.Value, value),
            "$contains" => value is { ValueKind: JsonValueKind.Array } array
                && (c.Value.ValueKind == JsonValueKind.Array ? c.Value.EnumerateArray().ToList() : [c.Value])
                    .TrueForAll(wanted => array.EnumerateArray().Any(v => Same(v, wanted))),
            _ when value is { ValueKind: JsonValueKind.Number } number && c.Value.ValueKind == JsonValueKind.Number =>
                Compare(c.Name, number.GetDecimal().CompareTo(c.Value.GetDecimal())),
            _ when value is { ValueKind: JsonValueKind.String } text && c.Value.ValueKind == JsonValueKind.String =>
                Compare(c.Name, Encoding.UTF8.GetBytes(text.GetString()!).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(c.Value.GetString()!))),
            _ => false,
        });
    }

    private static bool Compare(string name, int order) => name switch
    {
        "$gt" => order > 0,
        "$gte" => order >= 0,
        "$lt" => order < 0,
        _ => order <= 0,
    };

    private static bool Same(JsonElement? value, JsonElement other) => value is { } v && JsonElement.DeepEquals(v, other);

    private static JsonElement? Find(JsonElement metadata, string[] path)
    {
        foreach (var name in path)
        {
            if (metadata.ValueKind != JsonValueKind.Object || !metadata.TryGetProperty(name, out metadata))
            {
                return null;
            }
        }

        return metadata;
    }
}
