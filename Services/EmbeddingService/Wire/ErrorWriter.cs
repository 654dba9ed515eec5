using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using RagPlatform.Contracts;

namespace RagPlatform.EmbeddingService.Wire;

/// <summary>Writes errors as OpenAI does: <c>{"error":{"message","type","param","code"}}</c>.</summary>
internal static class ErrorWriter
{
    public static Task WriteAsync(HttpContext context, GatewayException error)
    {
        if (error.RetryAfter is { } delay)
        {
            var seconds = Math.Max(1, (long)Math.Ceiling(delay.TotalSeconds));
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        if (error.NoRetry)
        {
            context.Response.Headers["x-should-retry"] = "false";
        }

        if (error.BudgetReset is { } reset)
        {
            context.Response.Headers[EmbeddingHeaders.BudgetReset] = reset.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        }

        return WriteAsync(context, error.Status, error.Message, error.Type, error.Param, error.Code);
    }

    public static async Task WriteAsync(HttpContext context, int status, string message, string type, string? param = null, string? code = null)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await using (var json = new Utf8JsonWriter(context.Response.BodyWriter))
        {
            json.WriteStartObject();
            json.WriteStartObject("error"u8);
            json.WriteString("message"u8, message);
            json.WriteString("type"u8, type);
            json.WriteString("param"u8, param);
            json.WriteString("code"u8, code);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    /// <summary>Writes what was refused before a handler was reached; the first field that is wrong becomes OpenAI's <c>param</c>.</summary>
    public static Task WriteAsync(HttpContext context, ProblemDetails problem)
    {
        var status = problem.Status ?? context.Response.StatusCode;
        var (type, code) = Describe(status);
        var (param, messages) = (problem as HttpValidationProblemDetails)?.Errors.FirstOrDefault() ?? default;
        var message = messages?.FirstOrDefault() ?? $"{problem.Title} {problem.Detail}".Trim();
        return WriteAsync(context, status, message, type, param, code);
    }

    /// <summary>The type and code that OpenAI uses for a status that was decided elsewhere: authentication, body limits, routing.</summary>
    public static (string Type, string? Code) Describe(int status) => status switch
    {
        StatusCodes.Status401Unauthorized => ("invalid_request_error", "invalid_api_key"),
        StatusCodes.Status403Forbidden => ("invalid_request_error", "forbidden"),
        StatusCodes.Status404NotFound => ("invalid_request_error", "unknown_url"),
        StatusCodes.Status405MethodNotAllowed => ("invalid_request_error", "method_not_supported"),
        StatusCodes.Status429TooManyRequests => ("requests", "rate_limit_exceeded"),
        >= 500 => ("server_error", null),
        _ => ("invalid_request_error", null),
    };
}
