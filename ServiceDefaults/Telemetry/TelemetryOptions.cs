namespace RagPlatform.ServiceDefaults.Telemetry;

/// <summary>What a service tells about itself. Section <c>Telemetry</c>.</summary>
public sealed class TelemetryOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Telemetry";

    /// <summary>
    /// Whether traces are sent to <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, when that is set; metrics and logs are in any case. A process that
    /// hosts several services leaves it on for one of them only: activity sources belong to the process, so each exporter would send
    /// every span once more.
    /// </summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool ExportTraces { get; set; } = true;
}
