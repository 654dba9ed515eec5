using System.Buffers;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace RagPlatform.ServiceDefaults.Telemetry;

/// <summary>
/// Writes the SDK's cumulative metrics in the Prometheus text format, version 0.0.4, when asked. The response is bounded: at most
/// <see cref="MaxSeries"/> series an instrument, and one collection per <see cref="s_minInterval"/> however many scrapers ask.
/// </summary>
internal sealed class PrometheusExporter
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>The most series that one instrument may have; the SDK adds one overflow series.</summary>
    public const int MaxSeries = 1_000;

    private static readonly TimeSpan s_minInterval = TimeSpan.FromMilliseconds(250);

    private readonly SemaphoreSlim _gate = new(1);
    private readonly ArrayBufferWriter<byte> _buffer = new(16 * 1024);
    private readonly TimeProvider _time;
    private ReadOnlyMemory<byte> _last;
    private long? _lastAt;

    public PrometheusExporter(string serviceName, TimeProvider time)
    {
        _time = time;
        Reader = new BaseExportingMetricReader(new Exporter(_buffer, serviceName));
    }

    /// <summary>The reader to register with the meter provider.</summary>
    public MetricReader Reader { get; }

    /// <summary>Collects and renders every metric.</summary>
    /// <returns>UTF-8 text. It stays valid: each collection makes its own.</returns>
    public async ValueTask<ReadOnlyMemory<byte>> ScrapeAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_lastAt is { } at && _time.GetElapsedTime(at) < s_minInterval)
            {
                return _last;
            }

            Reader.Collect();
            _last = _buffer.WrittenSpan.ToArray();
            _lastAt = _time.GetTimestamp();
            return _last;
        }
        finally
        {
            _gate.Release();
        }
    }

    private sealed class Exporter(ArrayBufferWriter<byte> buffer, string serviceName) : BaseExporter<Metric>
    {
        public override ExportResult Export(in Batch<Metric> batch)
        {
            buffer.Clear();
            var writer = new PrometheusWriter(buffer);
            writer.WriteTargetInfo(serviceName);
            foreach (var metric in batch)
            {
                Write(writer, metric);
            }

            return ExportResult.Success;
        }

        private static void Write(PrometheusWriter writer, Metric metric)
        {
            var kind = metric.MetricType switch
            {
                MetricType.LongSum or MetricType.DoubleSum => PrometheusKind.Counter,
                MetricType.Histogram => PrometheusKind.Histogram,
                MetricType.ExponentialHistogram => PrometheusKind.Unsupported,
                _ => PrometheusKind.Gauge,
            };
            if (kind == PrometheusKind.Unsupported || !writer.BeginFamily(metric.Name, metric.Unit, metric.Description, kind))
            {
                return;
            }

            foreach (ref readonly var point in metric.GetMetricPoints())
            {
                switch (metric.MetricType)
                {
                    case MetricType.LongSum or MetricType.LongSumNonMonotonic:
                        writer.WriteValue(point.Tags, point.GetSumLong());
                        break;
                    case MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic:
                        writer.WriteValue(point.Tags, point.GetSumDouble());
                        break;
                    case MetricType.LongGauge:
                        writer.WriteValue(point.Tags, point.GetGaugeLastValueLong());
                        break;
                    case MetricType.DoubleGauge:
                        writer.WriteValue(point.Tags, point.GetGaugeLastValueDouble());
                        break;
                    default:
                        WriteHistogram(writer, point);
                        break;
                }
            }
        }

        // The SDK counts each bucket alone; Prometheus wants each bucket to include the ones below it.
        private static void WriteHistogram(PrometheusWriter writer, in MetricPoint point)
        {
            long cumulative = 0;
            foreach (var bucket in point.GetHistogramBuckets())
            {
                cumulative += bucket.BucketCount;
                writer.WriteBucket(point.Tags, bucket.ExplicitBound, cumulative);
            }

            writer.WriteHistogramTotals(point.Tags, point.GetHistogramSum(), point.GetHistogramCount());
        }
    }
}
