using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Documents;

/// <summary>What metadata must keep to beyond <see cref="WireRules"/>.</summary>
internal static class DocumentRules
{
    /// <summary>Levels of objects and arrays in metadata, the metadata itself included.</summary>
    public const int MaxMetadataDepth = 32;

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

        return CheckDepth(value, depth: 1);
    }

    /// <summary>Metadata as JSON text; none is an empty object.</summary>
    public static string ToJson(JsonElement? metadata) =>
        metadata is { ValueKind: JsonValueKind.Object } value ? value.GetRawText() : "{}";

    private static string? CheckDepth(JsonElement value, int depth)
    {
        if (depth > MaxMetadataDepth)
        {
            return $"Metadata is nested too deeply: at most {MaxMetadataDepth} levels.";
        }

        return value.ValueKind switch
        {
            JsonValueKind.Object => value.EnumerateObject().Select(p => CheckDepth(p.Value, depth + 1)).FirstOrDefault(wrong => wrong is not null),
            JsonValueKind.Array => value.EnumerateArray().Select(item => CheckDepth(item, depth + 1)).FirstOrDefault(wrong => wrong is not null),
            _ => null,
        };
    }
}
