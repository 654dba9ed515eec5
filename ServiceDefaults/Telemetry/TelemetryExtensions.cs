using System.Diagnostics.Metrics;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace RagPlatform.ServiceDefaults.Telemetry;

/// <summary>
/// OpenTelemetry by name. ASP.NET Core, HttpClient, Npgsql and the runtime publish their own meters and activity sources, so none of the
/// instrumentation packages is needed: subscribing to the names is all there is to do.
/// </summary>
internal static class TelemetryExtensions
{
    private const string EndpointKey = "OTEL_EXPORTER_OTLP_ENDPOINT";

    internal static readonly string[] Sources = ["Microsoft.AspNetCore", "System.Net.Http", "Npgsql", "RagPlatform.*"];

    internal static readonly string[] Meters =
    [
        "Microsoft.AspNetCore.*", "System.Net.Http", "System.Net.NameResolution", "System.Runtime", "Npgsql", "RagPlatform.*",
    ];

    // 0.5 ms to 10 s. The SDK's own default starts at 5 units, which for seconds says nothing about a search.
    internal static readonly double[] SecondsBuckets =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    public static void AddTelemetry(this IHostApplicationBuilder builder, string? serviceName)
    {
        var configuration = builder.Configuration;
        var options = configuration.GetSection(TelemetryOptions.Section).Get<TelemetryOptions>() ?? new();
        var export = configuration[EndpointKey] is { Length: > 0 };
        var name = configuration["OTEL_SERVICE_NAME"] ?? serviceName ?? builder.Environment.ApplicationName;

        builder.Services.AddMetrics();
        builder.Services.AddSingleton(services => CreateMetrics(services, name, export));
        builder.Services.AddSingleton(services => services.GetRequiredService<MetricsPipeline>().Prometheus);
        builder.Services.AddHostedService<TelemetryHost>();

        if (!export)
        {
            return;
        }

        builder.Services.AddSingleton<IStartupFilter, RequestTags>();
        if (options.ExportTraces)
        {
            builder.Services.AddSingleton(services => Sdk.CreateTracerProviderBuilder()
                .ConfigureServices(inner => inner.AddSingleton(services.GetRequiredService<IConfiguration>()))
                .SetResourceBuilder(CreateResource(configuration, name))
                .AddSource(Sources)
                .AddOtlpExporter()
                .Build()!);
        }

        builder.Logging.AddOpenTelemetry(logging =>
        {
            logging.SetResourceBuilder(CreateResource(configuration, name));
            logging.IncludeFormattedMessage = true;
            logging.IncludeScopes = true;
            logging.AddOtlpExporter();
        });
    }

    /// <summary>Maps the Prometheus endpoint.</summary>
    public static void MapMetricsEndpoint(this WebApplication app)
    {
        app.MapGet("/metrics", async (PrometheusExporter exporter, HttpContext context) =>
        {
            var text = await exporter.ScrapeAsync(context.RequestAborted);
            context.Response.ContentType = PrometheusExporter.ContentType;
            context.Response.ContentLength = text.Length;
            await context.Response.Body.WriteAsync(text, context.RequestAborted);
        }).AllowAnonymous().ExcludeFromDescription();
    }

    private static MetricsPipeline CreateMetrics(IServiceProvider services, string name, bool export)
    {
        var configuration = services.GetRequiredService<IConfiguration>();
        var meterFactory = services.GetRequiredService<IMeterFactory>();
        var prometheus = new PrometheusExporter(name, services.GetRequiredService<TimeProvider>());
        var builder = Sdk.CreateMeterProviderBuilder()
            .ConfigureServices(inner => inner.AddSingleton(configuration))
            .SetResourceBuilder(CreateResource(configuration, name))
            .AddMeter(Meters)
            .AddView(instrument => ConfigureStream(instrument, meterFactory))
            .AddReader(prometheus.Reader);
        if (export)
        {
            builder.AddOtlpExporter();
        }

        return new(builder.Build()!, prometheus);
    }

    /// <summary>
    /// A meter that was made by another container's factory belongs to another service of this process and is left to it. Cardinality is
    /// bounded for every instrument: what exceeds it is summed up under <c>otel_metric_overflow="true"</c>.
    /// </summary>
    private static MetricStreamConfiguration? ConfigureStream(Instrument instrument, IMeterFactory own)
    {
        if (instrument.Meter.Scope is IMeterFactory owner && !ReferenceEquals(owner, own))
        {
            return MetricStreamConfiguration.Drop;
        }

        var isOurs = instrument.Meter.Name.StartsWith("RagPlatform.", StringComparison.Ordinal);
        var stream = isOurs && instrument is Histogram<double> { Unit: "s", Advice: null }
            ? new ExplicitBucketHistogramConfiguration { Boundaries = SecondsBuckets }
            : new MetricStreamConfiguration();
        stream.CardinalityLimit = PrometheusExporter.MaxSeries;
        return stream;
    }

    private static ResourceBuilder CreateResource(IConfiguration configuration, string name)
    {
        var version = Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        var attributes = configuration["OTEL_RESOURCE_ATTRIBUTES"];
        var hasInstance = attributes?.Contains("service.instance.id=", StringComparison.Ordinal) ?? false;
        return ResourceBuilder.CreateDefault().AddService(name, serviceVersion: version, autoGenerateServiceInstanceId: !hasInstance);
    }
}

/// <summary>The meter provider and the exporter that reads from it, made and disposed together.</summary>
internal sealed record MetricsPipeline(MeterProvider Provider, PrometheusExporter Prometheus) : IDisposable
{
    public void Dispose() => Provider.Dispose();
}

/// <summary>Builds the providers before the first request, so that nothing goes unmeasured.</summary>
internal sealed class TelemetryHost(MetricsPipeline metrics, IServiceProvider services) : IHostedLifecycleService
{
    private TracerProvider? _traces;

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        _ = metrics.Provider;
        _traces = services.GetService<TracerProvider>();
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>
    /// Hands over what is buffered, after the last request and for at most 2 seconds: a collector that is away must not hold the stop.
    /// </summary>
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            _traces?.ForceFlush(2_000);
            metrics.Provider.ForceFlush(2_000);
        },
        cancellationToken);
}
