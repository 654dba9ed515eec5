using RagPlatform.ServiceDefaults.Telemetry;

namespace RagPlatform.ServiceDefaults.Tests.Telemetry;

public sealed class PrometheusWriterTests
{
    [Theory]
    [InlineData("http.server.request.duration", "s", "Histogram", "http_server_request_duration_seconds")]
    [InlineData("dotnet.gc.heap.total_allocated", "By", "Counter", "dotnet_gc_heap_total_allocated_bytes_total")]
    [InlineData("rag.chunks", "{chunk}", "Counter", "rag_chunks_total")]
    [InlineData("rag.chunks.total", "{chunk}", "Counter", "rag_chunks_total")]
    [InlineData("rag.pool.used", "1", "Gauge", "rag_pool_used_ratio")]
    [InlineData("rag.requests", "1", "Counter", "rag_requests_total")]
    [InlineData("rag.cpu", "%", "Gauge", "rag_cpu_percent")]
    [InlineData("rag.rate", "By/s", "Gauge", "rag_rate_bytes_per_second")]
    [InlineData("rag.speed", "{chunk}/s", "Gauge", "rag_speed_per_second")]
    [InlineData("rag.time.seconds", "s", "Gauge", "rag_time_seconds")]
    [InlineData("rag-odd  name", null, "Gauge", "rag_odd_name")]
    [InlineData("9lives", null, "Gauge", "_9lives")]
    public void Name_ByUnitAndKind_FollowsTheConventions(string name, string? unit, string kind, string expected) =>
        Assert.Equal(expected, PrometheusWriter.Name(name, unit, Enum.Parse<PrometheusKind>(kind)));

    [Theory]
    [InlineData("http.route", "http_route")]
    [InlineData("a:b", "a_b")]
    [InlineData("", "_")]
    public void Sanitize_Label_HoldsOnlyWhatALabelMay(string name, string expected) =>
        Assert.Equal(expected, PrometheusWriter.Sanitize(name, label: true));
}
