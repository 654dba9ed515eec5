namespace RagPlatform.ServiceDefaults.Telemetry;

/// <summary>What a service tells about itself. Section <c>Telemetry</c>.</summary>
public sealed class TelemetryOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Telemetry";

    /// <summary>
    /// Whether traces, metrics and logs are sent to <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, when that is set. A process that hosts several
    /// services leaves it on for one of them only: activity sources belong to the process, so each exporter would send everything once
    /// more.
    /// </summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Export { get; set; } = true;
}
