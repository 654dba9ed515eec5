using System.Text.Json;
using System.Text.Json.Nodes;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Reads the filter language of docs/filters.md. What is wrong is reported with its place, all of it at once.</summary>
internal sealed partial class FilterParser
{
    /// <summary>How deep conditions may be nested.</summary>
    public const int MaxDepth = 8;

    /// <summary>How many conditions and values a filter may have in all. Values in a list of <c>$in</c> or <c>$nin</c> do not count.</summary>
    public const int MaxTerms = 100;

    /// <summary>How many values of metadata may be in one list.</summary>
    public const int MaxListedValues = 1_000;

    /// <summary>How many ids may be in one list.</summary>
    public const int MaxListedIds = 10_000;

    /// <summary>How many names a path may have.</summary>
    public const int MaxPathLength = 16;

    /// <summary>How long a string or a name may be, in UTF-16 units.</summary>
    public const int MaxStringLength = 1000;

    private readonly Dictionary<string, List<string>> _errors = [];
    private int _terms;

    /// <summary>Reads a filter.</summary>
    /// <param name="json">The filter as the caller wrote it.</param>
    /// <param name="errors">What is wrong, by place: <c>filter.year.$gt</c>; empty when nothing is.</param>
    /// <returns>The filter; null when it has no condition, or is wrong.</returns>
    public static Filter? Parse(JsonElement json, out Dictionary<string, string[]> errors)
    {
        if (json.ValueKind == JsonValueKind.Null)
        {
            errors = [];
            return null;
        }

        var parser = new FilterParser();
        var filter = parser.Conditions(json, "filter", 1);
        if (parser._terms > MaxTerms)
        {
            parser.Error("filter", $"There are more than {MaxTerms} conditions and values in all.");
        }

        errors = parser._errors.ToDictionary(e => e.Key, e => e.Value.ToArray());
        return errors.Count > 0 || filter is AndFilter { Conditions.Count: 0 } ? null : filter;
    }

    private Filter? Conditions(JsonElement json, string place, int depth)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            return Error(place, "Expected a JSON object of conditions.");
        }

        if (depth > MaxDepth)
        {
            return Error(place, $"Conditions are nested more than {MaxDepth} deep.");
        }

        var conditions = new List<Filter>();
        foreach (var member in json.EnumerateObject())
        {
            if (++_terms > MaxTerms)
            {
                return null;
            }

            if (Name(member, place) is { } name && Condition(name, member.Value, $"{place}.{name}", depth) is { } condition)
            {
                conditions.Add(condition);
            }
        }

        return conditions.Count == 1 ? conditions[0] : new AndFilter(conditions);
    }

    private Filter? Condition(string name, JsonElement value, string place, int depth)
    {
        switch (name)
        {
            case "$and":
                return List(value, place, depth) is { } all ? new AndFilter(all) : null;
            case "$or":
                return List(value, place, depth) is { } any ? new OrFilter(any) : null;
            case "$not":
                return Conditions(value, place, depth + 1) is { } not ? new NotFilter(not) : null;
            case "$id":
                return Operators(value, place, depth, new IdTarget());
            case "$createdAt":
                return Operators(value, place, depth, new TimeTarget(FilterTime.CreatedAt));
            case "$updatedAt":
                return Operators(value, place, depth, new TimeTarget(FilterTime.UpdatedAt));
        }

        if (name.StartsWith('$'))
        {
            return Error(place, "Unknown: expected $and, $or, $not, $id, $createdAt, $updatedAt or the name of a member.");
        }

        return Path(name, place) is { } path ? Operators(value, place, depth, new MemberTarget(path)) : null;
    }

    private List<Filter>? List(JsonElement value, string place, int depth)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
        {
            Error(place, "Expected an array of at least one object of conditions.");
            return null;
        }

        var conditions = new List<Filter>();
        var i = 0;
        foreach (var element in value.EnumerateArray())
        {
            if (Conditions(element, $"{place}[{i++}]", depth + 1) is not { } condition)
            {
                return null;
            }

            conditions.Add(condition);
        }

        return conditions;
    }

    // Names are separated by dots; "\." is a dot within a name.
    private string[]? Path(string name, string place)
    {
        var path = new List<string>();
        var current = new System.Text.StringBuilder();
        for (var i = 0; i < name.Length; i++)
        {
            if (name[i] == '\\' && i + 1 < name.Length && name[i + 1] is '.' or '\\')
            {
                current.Append(name[++i]);
            }
            else if (name[i] == '.')
            {
                path.Add(current.ToString());
                current.Clear();
            }
            else
            {
                current.Append(name[i]);
            }
        }

        path.Add(current.ToString());
        if (path.Count > MaxPathLength)
        {
            Error(place, $"The path has more than {MaxPathLength} names.");
            return null;
        }

        return [.. path];
    }

    private Filter? Operators(JsonElement value, string place, int depth, Target target)
    {
        if (value.ValueKind != JsonValueKind.Object || !value.EnumerateObject().Any(m => m.Name.StartsWith('$')))
        {
            return Apply(target, "$eq", value, place);
        }

        var conditions = new List<Filter>();
        foreach (var member in value.EnumerateObject())
        {
            _terms++;
            var inner = $"{place}.{member.Name}";
            var condition = member.Name == "$not"
                ? depth < MaxDepth
                    ? Operators(member.Value, inner, depth + 1, target) is { } not ? new NotFilter(not) : null
                    : Error(inner, $"Conditions are nested more than {MaxDepth} deep.")
                : Apply(target, member.Name, member.Value, inner);
            if (condition is not null)
            {
                conditions.Add(condition);
            }
        }

        return conditions.Count == 1 ? conditions[0] : new AndFilter(conditions);
    }

    private Filter? Apply(Target target, string name, JsonElement value, string place)
    {
        switch (name)
        {
            case "$eq":
                return target.Equal(this, value, place);
            case "$ne":
                return target.Equal(this, value, place) is { } equal ? new NotFilter(equal) : null;
            case "$in" or "$nin":
                return In(target, value, place) is { } any ? name == "$in" ? any : new NotFilter(any) : null;
            case "$gt":
                return target.Compare(this, FilterOperator.GreaterThan, value, place);
            case "$gte":
                return target.Compare(this, FilterOperator.GreaterThanOrEqual, value, place);
            case "$lt":
                return target.Compare(this, FilterOperator.LessThan, value, place);
            case "$lte":
                return target.Compare(this, FilterOperator.LessThanOrEqual, value, place);
            case "$exists" when target is MemberTarget member:
                return value.ValueKind switch
                {
                    JsonValueKind.True => new ExistsFilter(member.Path),
                    JsonValueKind.False => new NotFilter(new ExistsFilter(member.Path)),
                    _ => Error(place, "Expected true or false."),
                };
            case "$contains" when target is MemberTarget member:
                return member.Contains(this, value, place);
            default:
                return Error(place, "Unknown operator: expected $eq, $ne, $in, $nin, $gt, $gte, $lt, $lte, $not"
                    + (target is MemberTarget ? ", $exists or $contains." : "."));
        }
    }

    private Filter? In(Target target, JsonElement value, string place)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
        {
            return Error(place, "Expected an array of at least one value.");
        }

        if (value.GetArrayLength() > target.MaxListLength)
        {
            return Error(place, $"Expected at most {target.MaxListLength} values in the list.");
        }

        var any = new List<Filter>();
        var i = 0;
        foreach (var element in value.EnumerateArray())
        {
            if (target.Equal(this, element, $"{place}[{i++}]") is not { } equal)
            {
                return null;
            }

            any.Add(equal);
        }

        return Any(any);
    }

    // What one parameter can hold is one condition, however many there are; of others each is one, and counts.
    private Filter? Any(List<Filter> any)
    {
        var ids = any.OfType<IdFilter>().SelectMany(f => f.Ids).ToList();
        var scalars = any.OfType<EqualsFilter>().Where(f => f.IsScalar).Select(f => f.Document).ToList();
        var conditions = any.Where(f => f is not IdFilter and not EqualsFilter { IsScalar: true }).ToList();
        if ((_terms += conditions.Count) > MaxTerms)
        {
            return null;
        }

        if (ids.Count > 0)
        {
            conditions.Add(new IdFilter(ids));
        }

        if (scalars.Count > 0)
        {
            conditions.Add(new AnyEqualsFilter(scalars));
        }

        return conditions.Count == 1 ? conditions[0] : new OrFilter(conditions);
    }

    private string? Name(JsonProperty member, string place)
    {
        try
        {
            return Check(member.Name, place) ? member.Name : null;
        }
        catch (InvalidOperationException)
        {
            Error(place, "A name is not valid Unicode.");
            return null;
        }
    }

    private string? String(JsonElement value, string place)
    {
        try
        {
            var text = value.GetString()!;
            return Check(text, place) ? text : null;
        }
        catch (InvalidOperationException)
        {
            Error(place, "The string is not valid Unicode.");
            return null;
        }
    }

    private bool Check(string text, string place)
    {
        if (text.Length > MaxStringLength)
        {
            Error(place, $"Names and strings may have up to {MaxStringLength} characters.");
        }
        else if (text.Contains('\0', StringComparison.Ordinal))
        {
            Error(place, "The character U+0000 cannot be stored, so nothing can be equal to it.");
        }
        else
        {
            return true;
        }

        return false;
    }

    // A value that jsonb can hold, or null.
    private JsonNode? Value(JsonElement value, string place, out bool valid)
    {
        valid = true;
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                valid = String(value, place) is not null;
                break;
            case JsonValueKind.Number:
                valid = IsNumber(value, place);
                break;
            case JsonValueKind.Array:
                foreach (var element in value.EnumerateArray())
                {
                    _terms++;
                    Value(element, place, out var inner);
                    valid &= inner;
                }

                break;
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                {
                    _terms++;
                    Value(member.Value, place, out var inner);
                    valid &= inner && Name(member, place) is not null;
                }

                break;
        }

        return valid ? JsonNode.Parse(value.GetRawText()) : null;
    }

    private bool IsNumber(JsonElement value, string place)
    {
        var number = value.GetRawText().Length <= 100 && value.TryGetDouble(out var d) && double.IsFinite(d);
        if (!number)
        {
            Error(place, "The number is too large or has too many digits.");
        }

        return number;
    }

    private Filter? Error(string place, string message)
    {
        if (!_errors.TryGetValue(place, out var messages))
        {
            _errors.Add(place, messages = []);
        }

        messages.Add(message);
        return null;
    }
}
