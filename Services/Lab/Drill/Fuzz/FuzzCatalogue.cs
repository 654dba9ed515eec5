using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.SingleNode;

namespace RagPlatform.Lab.Drill.Fuzz;

/// <summary>Everything that a node answers: the search API's operations by its OpenAPI document, the other services' by their endpoints.</summary>
internal static class FuzzCatalogue
{
    private const int MaxDepth = 12;

    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web) { TypeInfoResolver = new DefaultJsonTypeInfoResolver() };

    // What handlers read by themselves, so that no endpoint says it.
    private static readonly (string End, string Body)[] s_bodies =
    [
        ("/embeddings", """{"model":"hashing","input":["a text"],"dimensions":64,"encoding_format":"float","user":"somebody"}"""),
        ("/embed", """{"inputs":["a text"],"normalize":true,"truncate":false}"""),
        ("/registry/models/{**name}", """
            {"providers":["local"],"providerModel":"m","revision":"1","dimensions":8,"normalized":true,"queryPrompt":"q","documentPrompt":"d",
             "maxTokens":8,"acceptsDimensions":true,"pricePerMillionTokens":1,"description":"d"}
            """),
    ];

    /// <summary>Lists the operations of a node.</summary>
    public static async Task<IReadOnlyList<FuzzOperation>> ReadAsync(SingleNodeApp node, HttpClient http, CancellationToken cancellationToken)
    {
        var openApi = JsonNode.Parse(await http.GetStringAsync(new Uri(node.ApiAddress, "openapi/v1.json"), cancellationToken).ConfigureAwait(false))!;
        return
        [
            .. ReadOpenApi(node.ApiAddress, openApi),
            .. ReadEndpoints("search-api", node.SearchApi, node.ApiAddress).Where(o => !o.Path.StartsWith("/v1/", StringComparison.Ordinal)),
            .. ReadEndpoints("embedding-service", node.EmbeddingService, node.EmbeddingAddress),
            .. ReadEndpoints("indexing-worker", node.IndexingWorker, node.WorkerAddress),
            .. ReadEndpoints("dashboard", node.Dashboard, node.DashboardAddress),
        ];
    }

    /// <summary>Reads an OpenAPI document.</summary>
    internal static IEnumerable<FuzzOperation> ReadOpenApi(Uri address, JsonNode openApi)
    {
        foreach (var (path, methods) in openApi["paths"]!.AsObject())
        {
            foreach (var (method, operation) in methods!.AsObject())
            {
                var queries = (operation!["parameters"]?.AsArray() ?? []).Where(p => (string?)p!["in"] == "query").Select(p => (string)p!["name"]!).ToList();
                var schema = operation["requestBody"]?["content"]?["application/json"]?["schema"];
                yield return new(
                    "search-api",
                    address,
                    method.ToUpperInvariant(),
                    path,
                    queries,
                    schema is null ? null : Sample(schema, openApi, 0),
                    operation["responses"]!.AsObject().Select(r => int.Parse(r.Key, System.Globalization.CultureInfo.InvariantCulture)).ToHashSet())
                {
                    // The example is a body that is accepted.
                    Needed = operation["requestBody"]?["content"]?["application/json"]?["example"] is JsonObject example ? [.. example.Select(m => m.Key)] : [],
                };
            }
        }
    }

    private static IEnumerable<FuzzOperation> ReadEndpoints(string service, WebApplication app, Uri address)
    {
        foreach (var endpoint in app.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>())
        {
            var path = "/" + endpoint.RoutePattern.RawText?.TrimStart('/');
            var queries = endpoint.Metadata.GetOrderedMetadata<IParameterBindingMetadata>().Where(b => b.HasTryParse || b.ParameterInfo.ParameterType == typeof(string))
                .Select(b => b.Name).Where(name => !path.Contains($"{{{name}", StringComparison.Ordinal)).ToList();
            var known = s_bodies.FirstOrDefault(b => path.EndsWith(b.End, StringComparison.Ordinal)).Body;
            var record = endpoint.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType;
            var schema = known is null && record is not null ? s_json.GetJsonSchemaAsNode(record) : null;
            foreach (var method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"])
            {
                var body = known is not null ? JsonNode.Parse(known) : schema is null ? null : Sample(schema, schema, 0);
                yield return new(service, address, method, path, queries, method is "GET" or "HEAD" ? null : body, new HashSet<int> { 501, 503 });
            }
        }
    }

    /// <summary>A value of a schema, with every member.</summary>
    private static JsonNode? Sample(JsonNode schema, JsonNode document, int depth)
    {
        if (depth > MaxDepth || schema is not JsonObject of)
        {
            return JsonValue.Create("x");
        }

        if ((string?)of["$ref"] is ['#', '/', ..] reference)
        {
            return Sample(reference[2..].Split('/').Aggregate<string, JsonNode?>(document, (node, name) => node?[name]) ?? new JsonObject(), document, depth + 1);
        }

        if ((of["oneOf"] ?? of["anyOf"]) is JsonArray choices)
        {
            return Sample(choices.FirstOrDefault(c => (string?)c?["type"] != "null") ?? new JsonObject(), document, depth + 1);
        }

        if (of["enum"] is JsonArray { Count: > 0 } words)
        {
            return words[0]?.DeepClone();
        }

        var types = of["type"] is JsonArray several ? several.Select(t => (string)t!).ToList() : [(string?)of["type"] ?? "any"];
        return types.FirstOrDefault(t => t != "null") switch
        {
            "object" => new JsonObject((of["properties"]?.AsObject() ?? []).Select(p => new KeyValuePair<string, JsonNode?>(p.Key, Sample(p.Value!, document, depth + 1)))),
            "array" => new JsonArray(Sample(of["items"] ?? new JsonObject(), document, depth + 1)),
            "integer" => JsonValue.Create(1),
            "number" => JsonValue.Create(0.5),
            "boolean" => JsonValue.Create(false),
            "string" => JsonValue.Create((string?)of["format"] == "date-time" ? "2026-01-01T00:00:00Z" : "a"),
            _ => new JsonObject { ["a"] = 1 },
        };
    }
}
