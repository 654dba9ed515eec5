using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.ServiceDefaults.Telemetry;

namespace RagPlatform.ServiceDefaults.Tests.Telemetry;

public sealed class MetricsEndpointTests
{
    [Fact]
    public async Task Metrics_OwnMeter_IsThereWithBucketsForSeconds()
    {
        await using var app = await TestApp.StartAsync([], _ => { });
        var meter = app.Services.GetRequiredService<IMeterFactory>().Create("RagPlatform.Own");
        meter.CreateHistogram<double>("rag.own", "s").Record(0.003);

        var text = await app.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);

        Assert.Contains(
            "rag_own_seconds_bucket{le=\"0.0025\"} 0\nrag_own_seconds_bucket{le=\"0.005\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("dotnet_gc_collections_total", text, StringComparison.Ordinal);
    }

    // SingleNode hosts several services in one process: the page of each shows its own requests, not the neighbours'.
    [Fact]
    public async Task Metrics_MeterOfAnotherService_IsLeftToIt()
    {
        await using var first = await TestApp.StartAsync([], _ => { });
        await using var second = await TestApp.StartAsync([], _ => { });
        first.Services.GetRequiredService<IMeterFactory>().Create("RagPlatform.Neighbour").CreateCounter<long>("rag.neighbour").Add(1);

        var firstText = await first.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);
        var secondText = await second.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);

        Assert.Contains("rag_neighbour_total 1", firstText, StringComparison.Ordinal);
        Assert.DoesNotContain("rag_neighbour", secondText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_UnboundedTag_EndsInOneOverflowSeries()
    {
        await using var app = await TestApp.StartAsync([], _ => { });
        var counter = app.Services.GetRequiredService<IMeterFactory>().Create("RagPlatform.Wide").CreateCounter<long>("rag.wide");
        for (var i = 0; i < PrometheusExporter.MaxSeries + 500; i++)
        {
            counter.Add(1, new KeyValuePair<string, object?>("id", i));
        }

        var text = await app.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);

        var series = text.Split('\n').Count(line => line.StartsWith("rag_wide_total{", StringComparison.Ordinal));
        Assert.InRange(series, 1, PrometheusExporter.MaxSeries + 1);
        Assert.Contains("rag_wide_total{otel_metric_overflow=\"true\"} ", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_ContentType_IsTheTextFormat()
    {
        await using var app = await TestApp.StartAsync([], _ => { });

        using var response = await app.Client.GetAsync("/metrics", TestContext.Current.CancellationToken);

        Assert.Equal(PrometheusExporter.ContentType, response.Content.Headers.ContentType?.ToString());
    }
}
