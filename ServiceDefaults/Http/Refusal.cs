using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>How a service writes what is refused before one of its handlers is reached.</summary>
public sealed class RefusalOptions
{
    /// <summary>Writes a refusal, for an API whose errors have a shape of their own. The status is set already.</summary>
    /// <value>The default is <see langword="null"/>: problem+json.</value>
    public Func<HttpContext, ProblemDetails, Task>? Write { get; set; }
}

/// <summary>Refuses requests.</summary>
public static class Refusal
{
    /// <summary>Answers 400 with a sentence about a field, in the service's own shape.</summary>
    /// <param name="context">The request.</param>
    /// <param name="field">The field: a parameter's name, or a path in the body.</param>
    /// <param name="message">What is wrong with it.</param>
    public static Task WriteAsync(HttpContext context, string field, string message) => WriteAsync(
        context,
        new HttpValidationProblemDetails(new Dictionary<string, string[]> { [field] = [message] }) { Status = StatusCodes.Status400BadRequest });

    /// <summary>Answers a problem, in the service's own shape.</summary>
    public static async Task WriteAsync(HttpContext context, ProblemDetails problem)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(problem);
        context.Response.StatusCode = problem.Status ?? StatusCodes.Status500InternalServerError;
        if (context.RequestServices.GetRequiredService<IOptions<RefusalOptions>>().Value.Write is { } write)
        {
            await write(context, problem);
            return;
        }

        var problems = context.RequestServices.GetRequiredService<IProblemDetailsService>();
        if (!await problems.TryWriteAsync(new() { HttpContext = context, ProblemDetails = problem }))
        {
            // The caller accepts no JSON; a problem that nobody can read helps less than one of the wrong type.
            await context.Response.WriteAsJsonAsync(problem, problem.GetType(), options: null, "application/problem+json");
        }
    }
}
