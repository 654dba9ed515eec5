using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Dashboard.Shell;

/// <summary>Numbers, times and states as people read them.</summary>
internal static class Wording
{
    private static readonly JsonSerializerOptions s_indented =
        new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A count: <c>12,345</c>.</summary>
    public static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A count with its noun: <c>1 document</c>, <c>12 documents</c>.</summary>
    public static string Count(long number, string noun) => $"{Count(number)} {noun}{(number == 1 ? "" : "s")}";

    /// <summary>A duration in milliseconds: <c>0.42 ms</c>, <c>12 ms</c>, <c>1.3 s</c>.</summary>
    public static string Duration(double milliseconds) => milliseconds switch
    {
        < 10 => milliseconds.ToString("0.0#", CultureInfo.InvariantCulture) + " ms",
        < 1000 => milliseconds.ToString("0", CultureInfo.InvariantCulture) + " ms",
        _ => (milliseconds / 1000).ToString("0.0", CultureInfo.InvariantCulture) + " s",
    };

    /// <summary>How long ago, or in how long: <c>just now</c>, <c>5 min ago</c>, <c>in 8 s</c>.</summary>
    public static string Ago(DateTimeOffset at, DateTimeOffset now)
    {
        var distance = now - at;
        if (distance < TimeSpan.Zero)
        {
            return distance > TimeSpan.FromSeconds(-1) ? "now" : "in " + Span(-distance);
        }

        return distance < TimeSpan.FromSeconds(5) ? "just now"
            : distance < TimeSpan.FromDays(30) ? Span(distance) + " ago"
            : at.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
    }

    /// <summary>JSON over several lines, with readable letters.</summary>
    public static string Pretty(JsonElement json) => JsonSerializer.Serialize(json, s_indented);

    /// <summary>A state as a word.</summary>
    public static string Of(IndexingState state) => state switch
    {
        IndexingState.Indexed => "Indexed",
        IndexingState.Queued => "Queued",
        IndexingState.Retrying => "Retrying",
        _ => "Dead-lettered",
    };

    /// <summary>The stylesheet's word for a state.</summary>
    public static string Tone(IndexingState state) => state switch
    {
        IndexingState.Indexed => "good",
        IndexingState.Queued => "busy",
        IndexingState.Retrying => "warn",
        _ => "bad",
    };

    private static string Span(TimeSpan span) => span switch
    {
        { TotalSeconds: < 60 } => $"{Math.Max(1, (int)span.TotalSeconds)} s",
        { TotalMinutes: < 60 } => $"{(int)span.TotalMinutes} min",
        { TotalHours: < 48 } => $"{(int)span.TotalHours} h",
        _ => $"{(int)span.TotalDays} days",
    };
}
