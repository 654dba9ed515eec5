using System.Text.Json.Nodes;

namespace RagPlatform.SearchApi.Reference;

/// <summary>A body that the operation accepts as it is, for readers and for the form of the reference page.</summary>
/// <param name="json">The body.</param>
internal sealed class RequestExampleAttribute(string json) : Attribute
{
    /// <summary>The body.</summary>
    public JsonNode Json => JsonNode.Parse(json)!;
}
