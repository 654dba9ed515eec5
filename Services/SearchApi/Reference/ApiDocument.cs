using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.SearchApi.Reference;

/// <summary>What the OpenAPI document says beyond what the endpoints' signatures do.</summary>
internal static class ApiDocument
{
    private const string SecurityScheme = "key";

    private static readonly Dictionary<string, string> s_parameters = new(StringComparer.Ordinal)
    {
        ["workspace"] = "The workspace's name.",
        ["id"] = "The document's id: 1 to 512 characters. It may contain slashes, as they are or as %2F.",
        ["keyId"] = "The key's id.",
        ["jobId"] = "The reindexing's id.",
        ["checkId"] = "The check's id.",
        ["confirm"] = "The workspace's name once more: nothing is deleted without it.",
        ["cursor"] = "The nextCursor of the page before; none for the first page.",
        ["limit"] = "Items of the page, at most.",
        ["cause"] = "Only those of this cause.",
        ["discarded"] = "Those that were discarded, rather than those that were not.",
        ["until"] = "'idle' ends the stream when nothing is left to do.",
        ["after"] = "'next' of the answer before; none for the oldest change that is kept; 'end' for the newest.",
    };

    /// <summary>The title, the authentication, and no address: the document is the same wherever it is served.</summary>
    public static Task DescribeAsync(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        document.Info = new()
        {
            Title = "RagPlatform",
            Version = "v1",
            Description = "Documents go in, the right passages come out. Errors are problem+json (RFC 9457) whose 'errors' name the fields.",
        };
        document.Servers = [];
        document.Components ??= new();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [SecurityScheme] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = "The admin key, or the key of a workspace. 'api-key: KEY' works as well.",
            },
        };
        document.Security = [new() { [new OpenApiSecuritySchemeReference(SecurityScheme, document)] = [] }];
        document.Tags = null;
        return Task.CompletedTask;
    }

    /// <summary>Parameters of the path that handlers take in another way, the preference to wait, descriptions, and responses by status.</summary>
    public static Task DescribeAsync(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        operation.Parameters ??= [];
        var path = context.Description.RelativePath ?? "";
        if (path.Contains("{workspace}", StringComparison.Ordinal) && operation.Parameters.All(p => p.Name != "workspace"))
        {
            operation.Parameters.Insert(0, new OpenApiParameter
            {
                Name = "workspace",
                In = ParameterLocation.Path,
                Required = true,
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
            });
        }

        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        if (metadata.OfType<WaitsAttribute>().Any())
        {
            operation.Parameters.Add(new OpenApiParameter
            {
                Name = "Prefer",
                In = ParameterLocation.Header,
                Description = "'wait=N': answer once what was written is searchable, or after N seconds (1 to 60).",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
            });
        }

        foreach (var conditional in metadata.OfType<ConditionalAttribute>())
        {
            operation.Parameters.Add(new OpenApiParameter
            {
                Name = conditional.Header,
                In = ParameterLocation.Header,
                Description = conditional.Header == "If-Match"
                    ? "The ETag that the document must have, or several, or '*' for any, so that no other's write is lost. On a put also 'If-None-Match: *': it must be new."
                    : "The ETag that is known already: 304 when it is still the newest.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
            });
        }

        foreach (var parameter in operation.Parameters.OfType<OpenApiParameter>())
        {
            parameter.Description ??= s_parameters.GetValueOrDefault(parameter.Name ?? "");
        }

        if (metadata.OfType<IAuthorizeData>().Any(a => a.Policy == AuthExtensions.AdminPolicy))
        {
            operation.Description = $"Needs the admin key. {operation.Description}".TrimEnd();
        }

        if (operation.RequestBody?.Content is { } content && metadata.OfType<RequestExampleAttribute>().FirstOrDefault() is { } example)
        {
            content["application/json"].Example = example.Json;
        }

        // Every endpoint has a limit of requests, and every body one of its size.
        operation.Responses ??= [];
        operation.Responses.TryAdd("429", Problem("Too many requests: Retry-After says when to try again."));
        if (operation.RequestBody is not null)
        {
            operation.Responses.TryAdd("413", Problem("The body is larger than Limits:MaxRequestBodyBytes allows."));
        }

        if (operation.Responses is { } responses)
        {
            if (operation.RequestBody is not null && responses.TryGetValue("503", out var problem))
            {
                responses.TryAdd("413", new OpenApiResponse { Description = "Content Too Large", Content = problem.Content?.ToDictionary() });
            }

            operation.Responses = [];
            foreach (var (status, response) in responses.OrderBy(r => r.Key, StringComparer.Ordinal))
            {
                operation.Responses.Add(status, response);
            }
        }

        return Task.CompletedTask;
    }

    private static OpenApiResponse Problem(string description) => new()
    {
        Description = description,
        Content = new Dictionary<string, OpenApiMediaType>
        {
            ["application/problem+json"] = new() { Schema = new OpenApiSchemaReference("ProblemDetails") },
        },
    };
}

/// <summary>Marks writes that follow <c>Prefer: wait=N</c>.</summary>
internal sealed class WaitsAttribute : Attribute;

/// <summary>Marks endpoints that follow a header of conditional requests.</summary>
/// <param name="header">The header.</param>
internal sealed class ConditionalAttribute(string header) : Attribute
{
    /// <summary>The header.</summary>
    public string Header => header;
}
