using System.Buffers;
using System.Globalization;
using System.Text;
using OpenTelemetry;

namespace RagPlatform.ServiceDefaults.Telemetry;

/// <summary>The types of the text format that we write. Exponential histograms have no form in it.</summary>
internal enum PrometheusKind
{
    Gauge,
    Counter,
    Histogram,
    Unsupported,
}

/// <summary>
/// One response in the Prometheus text format. Names follow the OpenTelemetry compatibility specification: every character that is no
/// letter, digit, underscore or colon becomes one underscore, the unit in words is the suffix, a counter ends in <c>_total</c>.
/// </summary>
internal sealed class PrometheusWriter(IBufferWriter<byte> output)
{
    private readonly HashSet<string> _families = new(StringComparer.Ordinal);
    private string _name = "";

    /// <summary>Writes who this is, so that series can be joined with it.</summary>
    public void WriteTargetInfo(string serviceName)
    {
        Write("# HELP target_info The service.\n# TYPE target_info gauge\n");
        Write($"target_info{{service_name=\"{Escape(serviceName, quote: true)}\"}} 1\n");
    }

    /// <summary>
    /// Starts a family. A second family of the same name would make the whole response invalid, so it is refused: the first meter keeps the
    /// name.
    /// </summary>
    /// <returns>Whether the family may be written.</returns>
    public bool BeginFamily(string name, string? unit, string? description, PrometheusKind kind)
    {
        _name = Name(name, unit, kind);
        if (!_families.Add(_name))
        {
            return false;
        }

        if (description is { Length: > 0 })
        {
            Write($"# HELP {_name} {Escape(description, quote: false)}\n");
        }

        var type = kind switch
        {
            PrometheusKind.Counter => "counter",
            PrometheusKind.Histogram => "histogram",
            _ => "gauge",
        };
        Write($"# TYPE {_name} {type}\n");
        return true;
    }

    /// <summary>Writes one sample of a counter or gauge.</summary>
    public void WriteValue(ReadOnlyTagCollection tags, double value) => WriteSample("", tags, null, Format(value));

    /// <inheritdoc cref="WriteValue(ReadOnlyTagCollection, double)"/>
    public void WriteValue(ReadOnlyTagCollection tags, long value) => WriteSample("", tags, null, Format(value));

    /// <summary>Writes one bucket of a histogram.</summary>
    /// <param name="tags">The series.</param>
    /// <param name="upperBound">The inclusive upper bound; positive infinity for the last bucket.</param>
    /// <param name="count">How many values were at or below the bound.</param>
    public void WriteBucket(ReadOnlyTagCollection tags, double upperBound, long count) =>
        WriteSample("_bucket", tags, Format(upperBound), Format(count));

    /// <summary>Writes a histogram's sum and count, after its buckets.</summary>
    public void WriteHistogramTotals(ReadOnlyTagCollection tags, double sum, long count)
    {
        WriteSample("_sum", tags, null, Format(sum));
        WriteSample("_count", tags, null, Format(count));
    }

    /// <summary>
    /// The family's name, for example <c>http.server.request.duration</c> in <c>s</c>: <c>http_server_request_duration_seconds</c>.
    /// </summary>
    internal static string Name(string name, string? unit, PrometheusKind kind)
    {
        var result = Sanitize(name);
        var suffix = UnitName(unit, kind);
        if (suffix.Length > 0 && !result.EndsWith("_" + suffix, StringComparison.Ordinal) && result != suffix)
        {
            result = $"{result}_{suffix}";
        }

        return kind != PrometheusKind.Counter || result.EndsWith("_total", StringComparison.Ordinal) ? result : result + "_total";
    }

    /// <summary>Letters, digits and underscores; a label cannot hold a colon, and nothing starts with a digit.</summary>
    internal static string Sanitize(string name, bool label = false)
    {
        var result = new StringBuilder(name.Length + 1);
        foreach (var c in name)
        {
            if (char.IsAsciiLetterOrDigit(c) || c == '_' || (c == ':' && !label))
            {
                result.Append(c);
            }
            else if (result.Length == 0 || result[^1] != '_')
            {
                result.Append('_');
            }
        }

        return result.Length == 0 || char.IsAsciiDigit(result[0]) ? $"_{result}" : result.ToString();
    }

    private void WriteSample(string suffix, ReadOnlyTagCollection tags, string? upperBound, string value)
    {
        Write(_name);
        Write(suffix);
        var first = true;
        foreach (var (key, tagValue) in tags)
        {
            WriteLabel(Sanitize(key, label: true), Text(tagValue), ref first);
        }

        if (upperBound is not null)
        {
            WriteLabel("le", upperBound, ref first);
        }

        Write(first ? " " : "} ");
        Write(value);
        Write("\n");
    }

    private void WriteLabel(string key, string value, ref bool first)
    {
        Write(first ? "{" : ",");
        Write(key);
        Write("=\"");
        Write(Escape(value, quote: true));
        Write("\"");
        first = false;
    }

    private static string UnitName(string? unit, PrometheusKind kind)
    {
        switch (unit)
        {
            case null or "":
                return "";
            case "1":
                return kind == PrometheusKind.Gauge ? "ratio" : "";
            case "%":
                return "percent";
        }

        if (unit.IndexOf('/') is > 0 and var slash)
        {
            return $"{Word(unit[..slash])}_per_{Singular(Word(unit[(slash + 1)..]))}".Trim('_');
        }

        return Word(unit);

        static string Word(string unit) => unit switch
        {
            "s" => "seconds",
            "ms" => "milliseconds",
            "us" => "microseconds",
            "ns" => "nanoseconds",
            "min" => "minutes",
            "h" => "hours",
            "d" => "days",
            "By" => "bytes",
            "KiBy" => "kibibytes",
            "MiBy" => "mebibytes",
            "GiBy" => "gibibytes",
            "Cel" => "celsius",
            "Hz" => "hertz",
            ['{', .., '}'] => "",
            _ => Sanitize(unit).Trim('_'),
        };

        static string Singular(string word) => word.EndsWith('s') ? word[..^1] : word;
    }

    private static string Text(object? tagValue) => tagValue switch
    {
        true => "true",
        false => "false",
        _ => Convert.ToString(tagValue, CultureInfo.InvariantCulture) ?? "",
    };

    private static string Format(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        double.NaN => "NaN",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private static string Format(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Escape(string text, bool quote)
    {
        if (text.AsSpan().IndexOfAny("\\\n\"") < 0)
        {
            return text;
        }

        var escaped = text.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);
        return quote ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
    }

    private void Write(string text) => Encoding.UTF8.GetBytes(text, output);
}
