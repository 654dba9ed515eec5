using Microsoft.Extensions.Diagnostics.HealthChecks;
using RagPlatform.ServiceDefaults.Health;

namespace RagPlatform.ServiceDefaults.Tests.Health;

public sealed class HealthLogTests
{
    private readonly LogLines<HealthLog> _log = new();

    [Fact]
    public void Report_SameStatusAgain_IsSaidOnce()
    {
        var log = new HealthLog(_log, new ManualTime());

        log.Report(Report(HealthStatus.Healthy));
        log.Report(Report(HealthStatus.Unhealthy));
        log.Report(Report(HealthStatus.Unhealthy));
        log.Report(Report(HealthStatus.Healthy));

        Assert.Equal(["Warning: Unhealthy (postgres: It is away.)", "Information: Healthy"], _log.Lines);
    }

    private static HealthReport Report(HealthStatus status) => new(
        new Dictionary<string, HealthReportEntry>
        {
            ["self"] = new(HealthStatus.Healthy, null, TimeSpan.Zero, null, null),
            ["postgres"] = new(status, "It is away.", TimeSpan.Zero, null, null),
        },
        TimeSpan.Zero);
}
