using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Context.Propagation;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace RagPlatform.ServiceDefaults.Telemetry;

/// <summary>
/// OpenTelemetry: the instrumentation packages of ASP.NET Core, HttpClient, Npgsql and the runtime, and every meter and activity source of
/// ours by name. Prometheus reads <c>/metrics</c>; traces, metrics and logs are sent to <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> where that is set.
/// </summary>
internal static class TelemetryExtensions
{
    private const string EndpointKey = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>The meters and activity sources of the platform.</summary>
    private const string Ours = "RagPlatform.*";

    // 0.5 ms to 10 s. The SDK's own default starts at 5 units, which for seconds says nothing about a search.
    internal static readonly double[] SecondsBuckets =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    public static void AddTelemetry(this IHostApplicationBuilder builder, string? serviceName)
    {
        var configuration = builder.Configuration;
        var options = configuration.GetSection(TelemetryOptions.Section).Get<TelemetryOptions>() ?? new();
        var export = configuration[EndpointKey] is { Length: > 0 };
        var name = configuration["OTEL_SERVICE_NAME"] ?? serviceName ?? builder.Environment.ApplicationName;

        // traceparent alone, which HttpClient writes itself: a client with its own propagator (one that calls a third party) keeps its say.
        Sdk.SetDefaultTextMapPropagator(new TraceContextPropagator());

        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddThisService(configuration, name))
            .WithMetrics(metrics =>
            {
                metrics.AddAspNetCoreInstrumentation().AddHttpClientInstrumentation().AddRuntimeInstrumentation().AddNpgsqlInstrumentation()
                    .AddMeter(Ours)
                    .AddPrometheusExporter();
                if (export)
                {
                    metrics.AddOtlpExporter();
                }
            });
        builder.Services.ConfigureOpenTelemetryMeterProvider((services, metrics) =>
        {
            var own = services.GetRequiredService<IMeterFactory>();
            metrics.AddView(instrument => ConfigureStream(instrument, own));
        });

        if (!export)
        {
            return;
        }

        if (options.ExportTraces)
        {
            telemetry.WithTracing(tracing => tracing
                .AddAspNetCoreInstrumentation(http => http.Filter = IsWorthATrace)
                .AddHttpClientInstrumentation(http => http.FilterHttpRequestMessage = _ => IsPartOfATrace())
                .AddNpgsql()
                .AddSource(Ours)
                .AddOtlpExporter());
        }

        builder.Logging.AddOpenTelemetry(logging =>
        {
            logging.IncludeFormattedMessage = true;
            logging.IncludeScopes = true;
            logging.AddOtlpExporter();
        });
    }

    /// <summary>Maps the Prometheus endpoint.</summary>
    public static void MapMetricsEndpoint(this WebApplication app) => app.MapPrometheusScrapingEndpoint().AllowAnonymous();

    /// <summary>
    /// Whether a request gets a trace. Probes and scrapes arrive every few seconds and say nothing; the dashboard's connection to a browser is
    /// one request for hours.
    /// </summary>
    internal static bool IsWorthATrace(HttpContext context) =>
        context.Request.Path.Value is { } path
        && path is not ("/health" or "/alive" or "/metrics")
        && !path.StartsWith("/_blazor", StringComparison.Ordinal)
        && !path.StartsWith("/_framework", StringComparison.Ordinal);

    // Called inside the request's own activity. One with no parent is a service's own polling, which would bury the traces of requests.
    private static bool IsPartOfATrace() => Activity.Current?.ParentId is not null;

    /// <summary>
    /// A meter that was made by another container's factory belongs to another service of this process and is left to it.
    /// </summary>
    private static MetricStreamConfiguration? ConfigureStream(Instrument instrument, IMeterFactory own)
    {
        if (instrument.Meter.Scope is IMeterFactory owner && !ReferenceEquals(owner, own))
        {
            return MetricStreamConfiguration.Drop;
        }

        return instrument is Histogram<double> { Unit: "s", Advice: null }
            && instrument.Meter.Name.StartsWith("RagPlatform.", StringComparison.Ordinal)
                ? new ExplicitBucketHistogramConfiguration { Boundaries = SecondsBuckets }
                : null;
    }

    private static void AddThisService(this ResourceBuilder resource, IConfiguration configuration, string name)
    {
        var version = Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        var attributes = configuration["OTEL_RESOURCE_ATTRIBUTES"];
        var hasInstance = attributes?.Contains("service.instance.id=", StringComparison.Ordinal) ?? false;
        resource.AddService(name, serviceVersion: version, autoGenerateServiceInstanceId: !hasInstance);
    }
}
