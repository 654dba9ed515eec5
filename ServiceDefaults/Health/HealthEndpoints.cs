using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace RagPlatform.ServiceDefaults.Health;

/// <summary>Maps the probes. <em>Degraded</em> answers 200: what must hold traffic back has to be <em>Unhealthy</em>.</summary>
internal static class HealthEndpoints
{
    /// <summary>The tag of the checks that say whether the process itself is sound, and nothing about what it depends on.</summary>
    public const string LiveTag = "live";

    public static void MapHealthEndpoints(this WebApplication app)
    {
        var log = app.Services.GetRequiredService<HealthLog>();
        app.MapHealthChecks("/health", new()
        {
            ResponseWriter = (context, report) =>
            {
                log.Report(report);
                return WriteAsync(context, report);
            },
        }).AllowAnonymous();
        app.MapHealthChecks(
            "/alive", new() { Predicate = check => check.Tags.Contains(LiveTag), ResponseWriter = WriteAsync }).AllowAnonymous();
    }

    /// <summary>
    /// Writes names, states and our own descriptions. Exceptions stay out: their messages can hold hosts, users and more.
    /// </summary>
    internal static async Task WriteAsync(HttpContext context, HealthReport report)
    {
        context.Response.ContentType = "application/json; charset=utf-8";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("status", report.Status.ToString());
        json.WriteStartArray("checks");
        foreach (var (name, entry) in report.Entries)
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteString("status", entry.Status.ToString());
            if (entry.Exception is null && entry.Description is { Length: > 0 } description)
            {
                json.WriteString("description", description);
            }

            json.WriteNumber("durationMs", Math.Round(entry.Duration.TotalMilliseconds, 1));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted);
    }
}

/// <summary>Answers as long as the process can run a check at all.</summary>
internal sealed class LivenessCheck : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(HealthCheckResult.Healthy());
}
