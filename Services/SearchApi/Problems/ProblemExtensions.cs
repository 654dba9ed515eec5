using System.Globalization;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Http;

namespace RagPlatform.SearchApi.Problems;

/// <summary>Composes how errors are answered.</summary>
internal static class ProblemExtensions
{
    /// <summary>Adds what this API knows about errors, in front of the handler that every service has.</summary>
    public static void AddApiProblems(this WebApplicationBuilder builder)
    {
        builder.Services.AddExceptionHandler<DeletedWorkspaceProblem>();
        builder.Services.PostConfigure<ProblemDetailsOptions>(options =>
        {
            var customize = options.CustomizeProblemDetails;
            options.CustomizeProblemDetails = context =>
            {
                customize?.Invoke(context);
                context.ProblemDetails.Detail ??= Explain(context.HttpContext, context.ProblemDetails.Status);
            };
        });
    }

    /// <summary>Answers errors as problem+json, whoever finds them.</summary>
    public static void UseApiProblems(this WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseMiddleware<SchemaGuard>();
    }

    /// <summary>Documents the problems that every endpoint of the group can answer.</summary>
    public static RouteGroupBuilder ProducesApiProblems(this RouteGroupBuilder group) => group
        .ProducesValidationProblem()
        .ProducesProblem(StatusCodes.Status401Unauthorized)
        .ProducesProblem(StatusCodes.Status403Forbidden)
        .ProducesProblem(StatusCodes.Status429TooManyRequests)
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
