using System.Globalization;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Http;

namespace RagPlatform.SearchApi.Problems;

/// <summary>Composes how errors are answered.</summary>
internal static class ProblemExtensions
{
    /// <summary>Adds the sentences about request bodies, in front of the handler that every service has, and field names as JSON has them.</summary>
    public static void AddApiProblems(this WebApplicationBuilder builder)
    {
        builder.Services.AddExceptionHandler<RequestBodyProblems>();
        builder.Services.AddExceptionHandler<WorkspaceGoneProblem>();
        builder.Services.PostConfigure<ProblemDetailsOptions>(options =>
        {
            var customize = options.CustomizeProblemDetails;
            options.CustomizeProblemDetails = context =>
            {
                customize?.Invoke(context);
                context.ProblemDetails.Detail ??= Explain(context.HttpContext, context.ProblemDetails.Status);
                if (context.ProblemDetails is HttpValidationProblemDetails validation)
                {
                    validation.Errors = validation.Errors.ToDictionary(
                        e => ApiProblems.ToJsonPath(e.Key), e => Array.ConvertAll(e.Value, ApiProblems.WithoutMemberName));
                }
            };
        });
    }

    /// <summary>Answers errors as problem+json, whoever finds them.</summary>
    public static void UseApiProblems(this WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseMiddleware<PathGuard>();
        app.UseMiddleware<SchemaGuard>();
    }

    /// <summary>Documents the problems that every endpoint of the group can answer.</summary>
    public static RouteGroupBuilder ProducesApiProblems(this RouteGroupBuilder group) => group
        .ProducesProblem(StatusCodes.Status401Unauthorized)
        .ProducesProblem(StatusCodes.Status403Forbidden)
        .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

    // What the framework answers with a status alone.
    private static string? Explain(HttpContext context, int? status) => status switch
    {
        StatusCodes.Status404NotFound => "There is nothing at this path: /docs shows what there is.",
        StatusCodes.Status405MethodNotAllowed => $"Here the methods are: {context.Response.Headers.Allow}.",
        StatusCodes.Status413PayloadTooLarge => string.Create(
            CultureInfo.InvariantCulture,
            $"A request has at most {context.RequestServices.GetRequiredService<IOptions<RequestLimits>>().Value.MaxRequestBodyBytes} bytes."),
        StatusCodes.Status415UnsupportedMediaType => "Send the body as 'Content-Type: application/json'.",
        _ => null,
    };
}
