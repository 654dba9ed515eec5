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

        var buckets = text.Split('\n').Where(line => line.StartsWith("rag_own_seconds_bucket{", StringComparison.Ordinal)).ToList();
        Assert.EndsWith("le=\"0.0025\"} 0", buckets[2], StringComparison.Ordinal);
        Assert.EndsWith("le=\"0.005\"} 1", buckets[3], StringComparison.Ordinal);
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

        Assert.EndsWith("} 1", Line(firstText, "rag_neighbour_total{"), StringComparison.Ordinal);
        Assert.DoesNotContain("rag_neighbour", secondText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_UnboundedTag_EndsInOneOverflowSeries()
    {
        const int Tags = 3_000;
        await using var app = await TestApp.StartAsync([], _ => { });
        var counter = app.Services.GetRequiredService<IMeterFactory>().Create("RagPlatform.Wide").CreateCounter<long>("rag.wide");
        for (var i = 0; i < Tags; i++)
        {
            counter.Add(1, new KeyValuePair<string, object?>("id", i));
        }

        var text = await app.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);

        var series = text.Split('\n').Where(line => line.StartsWith("rag_wide_total{", StringComparison.Ordinal)).ToList();
        Assert.InRange(series.Count, 1, 2_001);
        Assert.Single(series, line => line.Contains("otel_metric_overflow=\"true\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Metrics_Always_SayWhoseTheyAreInTheTextFormat()
    {
        await using var app = await TestApp.StartAsync([], _ => { });

        using var response = await app.Client.GetAsync("/metrics", TestContext.Current.CancellationToken);

        Assert.Equal("text/plain", response.Content.Headers.ContentType?.MediaType);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Contains("service_name=\"test\"", Line(text, "target_info"), StringComparison.Ordinal);
    }

    // What Prometheus reads is keyed by name: the units of the conventions become words, whoever wrote the instrument.
    [Theory]
    [InlineData("rag.chunks", "{chunk}", "rag_chunks_total")]
    [InlineData("rag.sent", "By", "rag_sent_bytes_total")]
    [InlineData("rag.spent", "s", "rag_spent_seconds_total")]
    public async Task Metrics_Unit_IsInTheName(string instrument, string unit, string expected)
    {
        await using var app = await TestApp.StartAsync([], _ => { });
        app.Services.GetRequiredService<IMeterFactory>().Create("RagPlatform.Units").CreateCounter<long>(instrument, unit).Add(3);

        var text = await app.Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);

        Assert.EndsWith(" 3", Line(text, expected + "{"), StringComparison.Ordinal);
    }

    private static string Line(string text, string start) =>
        Assert.Single(text.Split('\n'), line => line.StartsWith(start, StringComparison.Ordinal));
}
