using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace RagPlatform.ServiceDefaults.Health;

/// <summary>Logs when a service's readiness changes, and why: once, however often it is probed.</summary>
internal sealed partial class HealthLog
{
    private readonly ILogger _logger;
    private readonly StateLog<HealthStatus> _states;
    private volatile Exception? _exception;

    public HealthLog(ILogger<HealthLog> logger, TimeProvider time)
    {
        _logger = logger;

        // A service counts as healthy until it was probed: nothing to say about the first good answer.
        _states = new StateLog<HealthStatus>(HealthStatus.Healthy, time, Write);
    }

    public void Report(HealthReport report)
    {
        _exception = report.Entries.Values.Select(entry => entry.Exception).FirstOrDefault(exception => exception is not null);
        _states.Report(
            report.Status,
            string.Join(", ", report.Entries.Where(entry => entry.Value.Status != HealthStatus.Healthy).Select(Describe)));
    }

    private void Write(HealthStatus status, string failing, int changes)
    {
        switch (status, changes)
        {
            case (HealthStatus.Healthy, 1):
                LogHealthy(_logger);
                break;
            case (HealthStatus.Healthy, _):
                LogHealthyAgain(_logger, changes);
                break;
            case (_, 1):
                LogNotHealthy(_logger, status, failing, _exception);
                break;
            default:
                LogNotHealthyAgain(_logger, status, failing, changes, _exception);
                break;
        }
    }

    private static string Describe(KeyValuePair<string, HealthReportEntry> entry) =>
        entry.Value.Description is { Length: > 0 } description ? $"{entry.Key}: {description}" : entry.Key;

    [LoggerMessage(1, LogLevel.Information, "Healthy")]
    private static partial void LogHealthy(ILogger logger);

    [LoggerMessage(2, LogLevel.Warning, "{Status} ({Failing})")]
    private static partial void LogNotHealthy(ILogger logger, HealthStatus status, string failing, Exception? exception);

    [LoggerMessage(3, LogLevel.Warning, "Healthy; it came and went, {Changes} changes since the last line")]
    private static partial void LogHealthyAgain(ILogger logger, int changes);

    [LoggerMessage(4, LogLevel.Warning, "{Status} ({Failing}); it came and went, {Changes} changes since the last line")]
    private static partial void LogNotHealthyAgain(ILogger logger, HealthStatus status, string failing, int changes, Exception? exception);
}
