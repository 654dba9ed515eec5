using System.Text.Encodings.Web;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Dashboard.Shell;

/// <summary>What a page does, as a command that can be pasted into a shell. The key is a variable: it is in no page.</summary>
internal static class Curl
{
    private static readonly JsonSerializerOptions s_json = new(RagJson.Options)
    {
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string CreateWorkspace(Uri api, string name) =>
        Command(api, "POST", "v1/workspaces", $$"""{"name":"{{name}}"}""");

    public static string PutDocument(Uri api, string workspace) => Command(
        api, "PUT", $"v1/workspaces/{workspace}/documents/hello", """{"title":"Hello","text":"A first document."}""", "Prefer: wait=10");

    public static string Search(Uri api, string workspace, SearchRequest request) =>
        Command(api, "POST", $"v1/workspaces/{workspace}/search", JsonSerializer.Serialize(request, s_json));

    private static string Command(Uri api, string method, string path, string body, string? header = null)
    {
        var more = header is null ? "" : $" -H '{header}'";
        return $"curl -X {method} {new Uri(api, path)} \\\n"
            + $"  -H \"Authorization: Bearer $RAG_API_KEY\" -H 'Content-Type: application/json'{more} \\\n"
            + $"  -d '{body.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }
}
