using System.Globalization;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Problems;

/// <summary>Answers 503 until the schema is there: at the very first start, or while the database has not been reached yet.</summary>
internal sealed class SchemaGuard(RequestDelegate next, SchemaMigrator migrator)
{
    private const int RetryAfterSeconds = 2;

    public Task InvokeAsync(HttpContext context)
    {
        if (migrator.Ready.IsCompletedSuccessfully || !context.Request.Path.StartsWithSegments("/v1", StringComparison.Ordinal))
        {
            return next(context);
        }

        context.Response.Headers.RetryAfter = RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        return ApiProblems.WriteAsync(context, new()
        {
            Status = StatusCodes.Status503ServiceUnavailable,
            Title = "The service is starting.",
            Detail = "The database has not been reached yet, or its schema is being brought up to date.",
        });
    }
}
