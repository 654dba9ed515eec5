using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace RagPlatform.Contracts;

/// <summary>A value of a request that no record of the wire takes, whatever its own rules are.</summary>
/// <param name="member">The member, with the item that it is about: <c>boosts[0]</c>. <see cref="JsonException.Path"/> is the object's that has it.</param>
/// <param name="rule">What is wrong, in a sentence.</param>
public sealed class WireRuleException(string member, string rule) : JsonException(rule)
{
    /// <summary>The member of the object at <see cref="JsonException.Path"/>.</summary>
    public string Member { get; } = member;
}

/// <summary>
/// What every record that a service reads must keep to: no member that is not known or is there twice, no null where none is said to be possible, also
/// as an item, no number beyond what can be computed with, no text that cannot be stored.
/// </summary>
public static class WireRules
{
    // jsonb keeps numbers exactly: one of few characters can stand for a million digits.
    private const int MaxExponent = 400;

    /// <summary>Makes <paramref name="options"/> read the wire and nothing else.</summary>
    public static JsonSerializerOptions Apply(JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        options.AllowDuplicateProperties = false;
        options.RespectNullableAnnotations = true;
        options.NumberHandling = JsonNumberHandling.Strict;
        options.TypeInfoResolver = (options.TypeInfoResolver ?? new DefaultJsonTypeInfoResolver()).WithAddedModifier(Check);
        return options;
    }

    /// <summary>What is wrong with the strings, names and numbers of a JSON value, or null.</summary>
    public static string? Check(JsonElement json)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in json.EnumerateObject())
                {
                    if ((CheckString(() => property.Name) ?? Check(property.Value)) is { } wrong)
                    {
                        return wrong;
                    }
                }

                return null;
            case JsonValueKind.Array:
                foreach (var item in json.EnumerateArray())
                {
                    if (Check(item) is { } wrong)
                    {
                        return wrong;
                    }
                }

                return null;
            case JsonValueKind.String:
                return CheckString(() => json.GetString()!);
            case JsonValueKind.Number:
                return CheckNumber(json.GetRawText());
            default:
                return null;
        }
    }

    private static void Check(JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.Object)
        {
            return;
        }

        var members = type.Properties
            .Where(property => property.Get is not null && CanBeWrong(property.PropertyType))
            .Select(property => (property.Name, Get: property.Get!))
            .ToArray();
        if (members.Length == 0)
        {
            return;
        }

        var before = type.OnDeserialized;
        type.OnDeserialized = record =>
        {
            before?.Invoke(record);
            foreach (var (name, get) in members)
            {
                Check(name, get(record));
            }
        };
    }

    // Other records have been checked when they were read.
    private static bool CanBeWrong(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type == typeof(string) || type == typeof(double) || type == typeof(float) || type == typeof(JsonElement)
            || type.IsAssignableTo(typeof(IEnumerable));
    }

    private static void Check(string member, object? value)
    {
        if (CheckValue(value) is { } wrong)
        {
            throw new WireRuleException(member, wrong);
        }

        switch (value)
        {
            case string or null:
                break;
            case IDictionary entries:
                foreach (DictionaryEntry entry in entries)
                {
                    Check($"{member}.{entry.Key}", entry.Key);
                    CheckItem($"{member}.{entry.Key}", entry.Value);
                }

                break;
            case IReadOnlyList<float> numbers:
                for (var i = 0; i < numbers.Count; i++)
                {
                    if (!float.IsFinite(numbers[i]))
                    {
                        Check(Item(member, i), numbers[i]);
                    }
                }

                break;
            case IEnumerable items:
                var index = 0;
                foreach (var item in items)
                {
                    CheckItem(Item(member, index), item);
                    index++;
                }

                break;
        }
    }

    private static void CheckItem(string member, object? item)
    {
        if (item is null)
        {
            throw new WireRuleException(member, "null is not allowed here.");
        }

        Check(member, item);
    }

    private static string Item(string member, int index) => string.Create(CultureInfo.InvariantCulture, $"{member}[{index}]");

    private static string? CheckValue(object? value) => value switch
    {
        string text => WireText.Check(text),
        double number => double.IsFinite(number) ? null : "Expected a finite number.",
        float number => float.IsFinite(number) ? null : "Expected a finite number.",
        JsonElement json => Check(json),
        _ => null,
    };

    // A JsonElement decodes its strings when they are read: only then it shows that they are no Unicode.
    private static string? CheckString(Func<string> read)
    {
        try
        {
            return WireText.Check(read());
        }
        catch (InvalidOperationException)
        {
            return "A string is not valid Unicode.";
        }
    }

    private static string? CheckNumber(string number)
    {
        var e = number.AsSpan().IndexOfAny('e', 'E');
        var fits = number.Length <= MaxExponent
            && (e < 0 || (int.TryParse(number.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var exponent)
                && Math.Abs(exponent) <= MaxExponent));
        return fits ? null : $"A number is out of range: at most {MaxExponent} digits.";
    }
}
