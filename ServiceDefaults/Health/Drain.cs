using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Health;

/// <summary>How a service stops. Section <c>Health</c>.</summary>
public sealed class DrainOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Health";

    /// <summary>
    /// How long a process that was told to stop goes on serving while <c>/health</c> already says that it must not get traffic: longer than whoever
    /// distributes the traffic takes to notice.
    /// </summary>
    /// <value>0 to 1 minute. The default is 1 second; where readiness is probed every 5 seconds, set 6.</value>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan DrainDelay { get; set; } = TimeSpan.FromSeconds(1);
}

/// <summary>Validates <see cref="DrainOptions"/> by its attributes.</summary>
[OptionsValidator]
internal sealed partial class DrainOptionsValidator : IValidateOptions<DrainOptions>;

/// <summary>Unready before it stops: from the moment the process is told to stop, <c>/health</c> is 503, and requests are still answered for a while.</summary>
internal sealed class Drain(IOptions<DrainOptions> options, TimeProvider time) : IHostedLifecycleService, IHealthCheck
{
    private volatile bool _stopping;

    /// <summary>Whether the service is a process that somebody sends requests to until it is gone. Hosts that stop services themselves do not wait.</summary>
    public bool IsOwnProcess { get; set; }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(_stopping ? HealthCheckResult.Unhealthy("It is stopping.") : HealthCheckResult.Healthy());

    /// <summary>Called before any service of the host is stopped, the server included.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        _stopping = true;
        if (IsOwnProcess)
        {
            await Task.Delay(options.Value.DrainDelay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
