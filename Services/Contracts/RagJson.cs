using System.Text.Json;
using System.Text.Json.Serialization;

namespace RagPlatform.Contracts;

/// <summary>How the API's JSON is written: camel case, enums by name.</summary>
public static class RagJson
{
    /// <summary>The options, for clients. Do not change them.</summary>
    public static JsonSerializerOptions Options { get; } = Configure(new JsonSerializerOptions(JsonSerializerDefaults.Web));

    /// <summary>Makes <paramref name="options"/> write the API's JSON.</summary>
    public static JsonSerializerOptions Configure(JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
        return options;
    }
}
