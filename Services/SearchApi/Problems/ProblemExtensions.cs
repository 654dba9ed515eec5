namespace RagPlatform.SearchApi.Problems;

/// <summary>Composes how errors are answered.</summary>
internal static class ProblemExtensions
{
    /// <summary>Adds the sentences about request bodies, in front of the handler that every service has, and field names as JSON has them.</summary>
    public static void AddApiProblems(this WebApplicationBuilder builder)
    {
        builder.Services.AddExceptionHandler<RequestBodyProblems>();
        builder.Services.AddProblemDetails(options => options.CustomizeProblemDetails = context =>
        {
            context.ProblemDetails.Instance ??= context.HttpContext.Request.Path;
            if (context.ProblemDetails is HttpValidationProblemDetails validation)
            {
                validation.Errors = validation.Errors.ToDictionary(e => ApiProblems.ToJsonPath(e.Key), e => e.Value);
            }
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
}
