using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace RagPlatform.ServiceDefaults.Health;

/// <summary>Logs when a service's readiness changes, and why: once, however often it is probed.</summary>
internal sealed partial class HealthLog(ILogger<HealthLog> logger)
{
    // A service counts as healthy until it was probed: nothing to say about the first good answer.
    private int _last = (int)HealthStatus.Healthy;

    public void Report(HealthReport report)
    {
        if (Interlocked.Exchange(ref _last, (int)report.Status) == (int)report.Status)
        {
            return;
        }

        if (report.Status == HealthStatus.Healthy)
        {
            LogHealthy(logger);
            return;
        }

        var failing = string.Join(", ", report.Entries.Where(entry => entry.Value.Status != HealthStatus.Healthy).Select(Describe));
        var exception = report.Entries.Values.Select(entry => entry.Exception).FirstOrDefault(exception => exception is not null);
        LogNotHealthy(logger, report.Status, failing, exception);
    }

    private static string Describe(KeyValuePair<string, HealthReportEntry> entry) =>
        entry.Value.Description is { Length: > 0 } description ? $"{entry.Key}: {description}" : entry.Key;

    [LoggerMessage(1, LogLevel.Information, "Healthy")]
    private static partial void LogHealthy(ILogger logger);

    [LoggerMessage(2, LogLevel.Warning, "{Status} ({Failing})")]
    private static partial void LogNotHealthy(ILogger logger, HealthStatus status, string failing, Exception? exception);
}
