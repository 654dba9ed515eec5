using Microsoft.AspNetCore.Http.HttpResults;

namespace RagPlatform.SearchApi.Reference;

/// <summary>The description of the API: for machines at <c>/openapi/v1.json</c>, for people at <c>/docs</c>.</summary>
internal static class ReferenceExtensions
{
    private const string PagePath = "/docs";

    // The page is one file without anything from elsewhere, so nothing else has to be allowed.
    private const string ContentSecurityPolicy =
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly string s_page = ReadPage();

    /// <summary>Adds the OpenAPI document.</summary>
    public static void AddReference(this WebApplicationBuilder builder) => builder.Services.AddOpenApi("v1", options =>
    {
        options.AddDocumentTransformer(ApiDocument.DescribeAsync);
        options.AddOperationTransformer(ApiDocument.DescribeAsync);
        options.AddSchemaTransformer(Constraints.ApplyAsync);
    });

    /// <summary>Maps both. They need no key.</summary>
    public static void MapReference(this WebApplication app)
    {
        app.MapOpenApi().AllowAnonymous();
        app.MapGet(PagePath, ShowPage).AllowAnonymous().ExcludeFromDescription();
        app.MapGet("/", (HttpContext context) => TypedResults.Redirect(context.Request.PathBase + PagePath)).AllowAnonymous().ExcludeFromDescription();
    }

    private static ContentHttpResult ShowPage(HttpContext context)
    {
        context.Response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return TypedResults.Content(s_page, "text/html; charset=utf-8");
    }

    private static string ReadPage()
    {
        using var reader = new StreamReader(typeof(ReferenceExtensions).Assembly.GetManifestResourceStream("RagPlatform.SearchApi.Reference.reference.html")!);
        return reader.ReadToEnd();
    }
}
