using System.Text.Json;

namespace RagPlatform.Cli.Connections;

/// <summary>What a running local node writes into its data folder.</summary>
internal static class LocalNode
{
    /// <summary>The address of one of its services: <c>api</c>, <c>embedding</c>, <c>worker</c>; null when no node says.</summary>
    public static string? FindAddress(string? data, string service)
    {
        var file = data is null ? null : Path.Combine(data, "node.json");
        try
        {
            if (file is null || !File.Exists(file))
            {
                return null;
            }

            using var node = JsonDocument.Parse(File.ReadAllText(file));
            return node.RootElement.TryGetProperty(service, out var address) ? address.GetString() : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            // Half-written or another user's: a default may still be right.
            return null;
        }
    }
}
