using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Logging;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>
/// Says what a caller can do about an exception: a request that cannot be read names the field, a database that is away is 503 with
/// <c>Retry-After</c>, a caller that left gets nothing. Everything else is 500 without details.
/// </summary>
internal sealed partial class RequestExceptionHandler(
    IProblemDetailsService problems, ILogger<RequestExceptionHandler> logger, DatabaseCondition? database = null) : IExceptionHandler
{
    private const int RetryAfterSeconds = 2;

    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is OperationCanceledException && context.RequestAborted.IsCancellationRequested)
        {
            context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
            return true;
        }

        database?.Note(exception);
        if (Describe(context, exception) is not { } problem)
        {
            LogFailed(logger, context.Request.Method, context.GetEndpoint()?.DisplayName ?? "(no endpoint)", exception);
            problem = new() { Status = StatusCodes.Status500InternalServerError };
        }
        else if (problem.Status == StatusCodes.Status503ServiceUnavailable)
        {
            LogUnavailable(logger, context.Request.Method, context.GetEndpoint()?.DisplayName ?? "(no endpoint)", problem.Title!);
            context.Response.Headers.RetryAfter = RetryAfterSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        context.Response.StatusCode = problem.Status!.Value;
        return await problems.TryWriteAsync(new() { HttpContext = context, ProblemDetails = problem, Exception = exception });
    }

    /// <summary>The problem that an exception stands for, or <see langword="null"/> where it is our own fault.</summary>
    private static ProblemDetails? Describe(HttpContext context, Exception exception) => exception switch
    {
        _ when UnreadableRequest.Describe(context, exception) is var (field, message) =>
            new HttpValidationProblemDetails(new Dictionary<string, string[]> { [field] = [message] }) { Status = StatusCodes.Status400BadRequest },
        BadHttpRequestException bad => new() { Status = bad.StatusCode },
        _ => DatabaseFailure.Classify(exception) switch
        {
            DatabaseTrouble.Away => Unavailable(
                "The database does not answer.", "Try again shortly. Repeating a write is safe: documents are put by their own id."),
            DatabaseTrouble.DiskFull => Unavailable(
                "The database's disk is full.", "Nothing can be written until there is room. What only reads goes on where it can."),
            DatabaseTrouble.TooSlow => Unavailable("The database took too long.", "It is busy, or what was asked for is too much at once."),
            _ => null,
        },
    };

    private static ProblemDetails Unavailable(string title, string detail) =>
        new() { Status = StatusCodes.Status503ServiceUnavailable, Title = title, Detail = detail };

    [LoggerMessage(1, LogLevel.Error, "{Method} {Endpoint} failed")]
    private static partial void LogFailed(ILogger logger, string method, string endpoint, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "{Method} {Endpoint} was refused for the database's sake: {Failure}")]
    private static partial void LogUnavailable(ILogger logger, string method, string endpoint, string failure);
}
