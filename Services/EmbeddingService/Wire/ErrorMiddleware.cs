using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.ServiceDefaults.Http;

namespace RagPlatform.EmbeddingService.Wire;

/// <summary>Turns what goes wrong below <c>/v1</c> into OpenAI's error shape, also what was decided outside our handlers.</summary>
internal sealed partial class ErrorMiddleware(RequestDelegate next, ILogger<ErrorMiddleware> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
            var status = context.Response.StatusCode;
            if (status >= 400 && !context.Response.HasStarted && context.Response.ContentType is null)
            {
                var (type, code) = ErrorWriter.Describe(status);
                await ErrorWriter.WriteAsync(context, status, Sentence(context, status), type, code: code);
            }
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            await WriteAsync(context, e);
        }
    }

    private Task WriteAsync(HttpContext context, Exception exception)
    {
        switch (exception)
        {
            case GatewayException refused:
                if (refused.Status >= 500)
                {
                    LogUpstream(refused.Status, refused.Message);
                }

                return ErrorWriter.WriteAsync(context, refused);
            case OperationCanceledException when context.RequestAborted.IsCancellationRequested:
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
                return Task.CompletedTask;
            case BadHttpRequestException bad:
                return UnreadableRequest.Describe(context, bad) is var (field, message)
                    ? ErrorWriter.WriteAsync(context, bad.StatusCode, $"{field}: {message}", "invalid_request_error", field)
                    : ErrorWriter.WriteAsync(context, bad.StatusCode, Sentence(context, bad.StatusCode), "invalid_request_error");
            case var _ when DatabaseFailure.Classify(exception) != DatabaseTrouble.None:
                LogUpstream(StatusCodes.Status503ServiceUnavailable, exception.GetType().Name);
                return ErrorWriter.WriteAsync(context, new GatewayException(
                    StatusCodes.Status503ServiceUnavailable, "server_error", "database_unavailable", DatabaseFailure.Classify(exception) == DatabaseTrouble.DiskFull
                        ? "The database's disk is full; nothing can be written until there is room."
                        : "The database does not answer; try again shortly.")
                {
                    RetryAfter = TimeSpan.FromSeconds(2),
                });
            default:
                LogFailed(context.Request.Method, context.GetEndpoint()?.DisplayName ?? "(no endpoint)", exception);
                return ErrorWriter.WriteAsync(
                    context, StatusCodes.Status500InternalServerError, "The server had an error while processing your request.", "server_error");
        }
    }

    private static string Sentence(HttpContext context, int status) => status switch
    {
        StatusCodes.Status404NotFound => $"Unknown request URL: {context.Request.Method} {context.Request.Path}. Only embeddings and models are served here.",
        StatusCodes.Status413PayloadTooLarge => "The request is too large.",
        StatusCodes.Status405MethodNotAllowed => $"Not allowed to {context.Request.Method} on {context.Request.Path}.",
        _ => $"The request was refused with status {status}.",
    };

    [LoggerMessage(1, LogLevel.Error, "{Method} {Endpoint} failed")]
    private partial void LogFailed(string method, string endpoint, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "An embedding request was answered {Status}: {Reason}")]
    private partial void LogUpstream(int status, string reason);
}
