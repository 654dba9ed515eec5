using System.Diagnostics;
using OpenTelemetry;

namespace RagPlatform.ServiceDefaults.Telemetry;

/// <summary>Keeps the probes and scrapes, which arrive every few seconds and say nothing, out of the traces.</summary>
internal sealed class ProbeFilter : BaseProcessor<Activity>
{
    public override void OnEnd(Activity data)
    {
        if (data.Kind == ActivityKind.Server && data.GetTagItem("url.path") is "/health" or "/alive" or "/metrics")
        {
            data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
        }
    }
}
