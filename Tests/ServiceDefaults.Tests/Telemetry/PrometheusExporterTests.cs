using System.Diagnostics.Metrics;
using System.Text;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using RagPlatform.ServiceDefaults.Telemetry;

namespace RagPlatform.ServiceDefaults.Tests.Telemetry;

public sealed class PrometheusExporterTests : IDisposable
{
    // No "RagPlatform." name: applications of other tests listen to those.
    private readonly Meter _meter = new($"Test.{Guid.NewGuid():N}");
    private readonly ManualTime _time = new();
    private readonly PrometheusExporter _exporter;
    private readonly MeterProvider _provider;

    public PrometheusExporterTests()
    {
        _exporter = new("te\"st", _time);
        _provider = Sdk.CreateMeterProviderBuilder().AddMeter(_meter.Name).AddReader(_exporter.Reader).Build();
    }

    [Fact]
    public async Task Scrape_Counter_HasTypeHelpLabelsAndTotal()
    {
        var counter = _meter.CreateCounter<long>("rag.docs", "{document}", "Documents\nthat came in.");
        counter.Add(2, new KeyValuePair<string, object?>("outcome", "a\"b\\c\nd"));
        counter.Add(3, new KeyValuePair<string, object?>("outcome", "a\"b\\c\nd"));

        var text = await ScrapeAsync();

        Assert.Contains("# HELP rag_docs_total Documents\\nthat came in.\n# TYPE rag_docs_total counter\n", text, StringComparison.Ordinal);
        Assert.Contains("rag_docs_total{outcome=\"a\\\"b\\\\c\\nd\"} 5\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scrape_Histogram_CountsEachBucketWithTheOnesBelow()
    {
        var histogram = _meter.CreateHistogram(
            "rag.wait", "s", null, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1] });
        histogram.Record(0.1);
        histogram.Record(0.5);
        histogram.Record(7);

        var text = await ScrapeAsync();

        Assert.Contains(
            "# TYPE rag_wait_seconds histogram\n"
            + "rag_wait_seconds_bucket{le=\"0.1\"} 1\n"
            + "rag_wait_seconds_bucket{le=\"1\"} 2\n"
            + "rag_wait_seconds_bucket{le=\"+Inf\"} 3\n"
            + "rag_wait_seconds_sum 7.6\n"
            + "rag_wait_seconds_count 3\n",
            text,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(double.NaN, "NaN")]
    [InlineData(double.PositiveInfinity, "+Inf")]
    [InlineData(double.NegativeInfinity, "-Inf")]
    [InlineData(0.25, "0.25")]
    public async Task Scrape_Gauge_WritesEveryNumberAsPrometheusReadsIt(double value, string expected)
    {
        _meter.CreateObservableGauge("rag.level", () => value);

        Assert.Contains($"# TYPE rag_level gauge\nrag_level {expected}\n", await ScrapeAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scrape_UpDownCounter_IsAGauge()
    {
        var counter = _meter.CreateUpDownCounter<int>("rag.busy", "{worker}");
        counter.Add(3);
        counter.Add(-2);

        Assert.Contains("# TYPE rag_busy gauge\nrag_busy 1\n", await ScrapeAsync(), StringComparison.Ordinal);
    }

    // A family twice makes Prometheus refuse the whole response.
    [Fact]
    public async Task Scrape_TwoInstrumentsOfOneName_WritesTheFirst()
    {
        _meter.CreateCounter<long>("rag.same").Add(1);
        _meter.CreateCounter<long>("rag_same").Add(2);

        var text = await ScrapeAsync();

        Assert.Single(text.Split('\n'), line => line == "# TYPE rag_same_total counter");
        Assert.Contains("rag_same_total 1\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scrape_Always_SaysWhoItIs() =>
        Assert.Contains("target_info{service_name=\"te\\\"st\"} 1\n", await ScrapeAsync(), StringComparison.Ordinal);

    [Fact]
    public async Task Scrape_ManyScrapers_CollectOnceInTheInterval()
    {
        var collected = 0;
        _meter.CreateObservableGauge("rag.collected", () => ++collected);

        await ScrapeAsync();
        await ScrapeAsync();
        _time.Advance(TimeSpan.FromSeconds(1));
        await ScrapeAsync();

        Assert.Equal(2, collected);
    }

    public void Dispose()
    {
        _provider.Dispose();
        _meter.Dispose();
    }

    private async Task<string> ScrapeAsync() =>
        Encoding.UTF8.GetString((await _exporter.ScrapeAsync(TestContext.Current.CancellationToken)).Span);
}
