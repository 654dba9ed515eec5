using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using RagPlatform.ServiceDefaults.Http;

namespace RagPlatform.SearchApi.Problems;

/// <summary>The problems (RFC 9457) that the API answers.</summary>
internal static class ApiProblems
{
    /// <summary>400: fields that are not what they must be.</summary>
    /// <param name="errors">Sentences by the field's path in the request, as <c>documents[3].id</c>.</param>
    public static ValidationProblem Invalid(IDictionary<string, string[]> errors) => TypedResults.ValidationProblem(errors);

    /// <summary>400: one field is not what it must be.</summary>
    public static ValidationProblem Invalid(string field, string message) =>
        Invalid(new Dictionary<string, string[]> { [field] = [message] });

    /// <summary>404: there is none of that name.</summary>
    /// <param name="kind">What, in lower case: <c>document</c>.</param>
    /// <param name="name">The name that was asked for.</param>
    public static ProblemHttpResult NotFound(string kind, string name) =>
        TypedResults.Problem(statusCode: StatusCodes.Status404NotFound, title: "Not found.", detail: $"There is no {kind} '{name}'.");

    /// <summary>409: what is there already stands in the way.</summary>
    public static ProblemHttpResult Conflict(string detail) =>
        TypedResults.Problem(statusCode: StatusCodes.Status409Conflict, title: "Conflict.", detail: detail);

    /// <summary>503: something that this service needs does not answer. Says when to try again.</summary>
    public static ProblemHttpResult Unavailable(HttpContext context, string title, string detail, int retryAfterSeconds = 2)
    {
        context.Response.Headers.RetryAfter = retryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        return TypedResults.Problem(statusCode: StatusCodes.Status503ServiceUnavailable, title: title, detail: detail);
    }

    /// <summary>Writes a problem outside of an endpoint.</summary>
    public static Task WriteAsync(HttpContext context, ProblemDetails problem) => Refusal.WriteAsync(context, problem);
}
