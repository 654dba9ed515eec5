using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Documents;

/// <summary>What metadata must keep to beyond being JSON: what PostgreSQL can store.</summary>
internal static class DocumentRules
{
    /// <summary>Levels of objects and arrays in metadata, the metadata itself included.</summary>
    public const int MaxMetadataDepth = 32;

    // jsonb keeps numbers exactly: one of few characters can stand for a million digits.
    private const int MaxExponent = 400;

    /// <summary>What is wrong with metadata, or null.</summary>
    public static string? CheckMetadata(JsonElement? metadata)
    {
        if (metadata is not { ValueKind: not (JsonValueKind.Undefined or JsonValueKind.Null) } value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Object)
        {
            return "Expected a JSON object.";
        }

        var size = JsonMarshal.GetRawUtf8Value(value).Length;
        if (size > DocumentLimits.MaxMetadataBytes)
        {
            return string.Create(
                CultureInfo.InvariantCulture, $"Metadata has at most {DocumentLimits.MaxMetadataBytes} bytes of JSON; this has {size}.");
        }

        return CheckValue(value, depth: 1);
    }

    /// <summary>Metadata as JSON text; none is an empty object.</summary>
    public static string ToJson(JsonElement? metadata) =>
        metadata is { ValueKind: JsonValueKind.Object } value ? value.GetRawText() : "{}";

    private static string? CheckValue(JsonElement value, int depth)
    {
        if (depth > MaxMetadataDepth)
        {
            return $"Metadata is nested too deeply: at most {MaxMetadataDepth} levels.";
        }

        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in value.EnumerateObject())
                {
                    if (CheckString(() => property.Name) is { } wrongName)
                    {
                        return wrongName;
                    }

                    if (CheckValue(property.Value, depth + 1) is { } wrong)
                    {
                        return wrong;
                    }
                }

                return null;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    if (CheckValue(item, depth + 1) is { } wrong)
                    {
                        return wrong;
                    }
                }

                return null;
            case JsonValueKind.String:
                return CheckString(() => value.GetString()!);
            case JsonValueKind.Number:
                return CheckNumber(value.GetRawText());
            default:
                return null;
        }
    }

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
