using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace RagPlatform.Lab.Figures;

/// <summary>One measured number and what it is held against.</summary>
internal sealed record Figure
{
    // Six decimals: a microsecond in seconds, a hundredth of a point of nDCG many times over.
    private const int Decimals = 6;

    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A figure.</summary>
    /// <param name="name">Its name, such as <c>eval.cranfield.keyword.ndcg10</c>.</param>
    /// <param name="value">What was measured, a finite number; kept with six decimals.</param>
    /// <param name="unit">Its unit, such as <c>ms</c>; empty for ratios and counts.</param>
    /// <param name="goal"><c>&gt;=</c>, <c>&lt;=</c>, <c>&gt;</c>, <c>&lt;</c> or <c>==</c> and a number; empty when there is none.</param>
    /// <exception cref="UnsoundRunException">The value is no finite number.</exception>
    /// <exception cref="FormatException">The goal is none.</exception>
    public Figure(string name, double value, string unit = "", string goal = "")
    {
        if (!double.IsFinite(value))
        {
            throw new UnsoundRunException($"{name} came out as {value.ToString(CultureInfo.InvariantCulture)}");
        }

        Name = name;
        Value = Math.Round(value, Decimals);
        Unit = unit;
        Goal = goal;
        Holds = Compare(Value, goal);
    }

    /// <summary>The figure's name.</summary>
    public string Name { get; }

    /// <summary>What was measured.</summary>
    public double Value { get; }

    /// <summary>The value's unit.</summary>
    public string Unit { get; }

    /// <summary>What the value is held against.</summary>
    public string Goal { get; }

    /// <summary>Whether the value, as it is printed, reaches the goal; true when there is none.</summary>
    public bool Holds { get; }

    /// <summary>A goal of at least <paramref name="bar"/>.</summary>
    public static string AtLeast(double bar) => ">=" + Math.Round(bar, Decimals).ToString(CultureInfo.InvariantCulture);

    /// <summary>A goal of at most <paramref name="bar"/>.</summary>
    public static string AtMost(double bar) => "<=" + Math.Round(bar, Decimals).ToString(CultureInfo.InvariantCulture);

    /// <summary>The figure line: <c>{"figure":"…","value":0.39,"unit":"","goal":">=0.386","holds":true}</c>.</summary>
    public string ToJson()
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, s_json))
        {
            writer.WriteStartObject();
            writer.WriteString("figure", Name);
            writer.WriteNumber("value", Value);
            writer.WriteString("unit", Unit);
            writer.WriteString("goal", Goal);
            writer.WriteBoolean("holds", Holds);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static bool Compare(double value, string goal)
    {
        if (goal.Length == 0)
        {
            return true;
        }

        var length = goal.Length > 1 && goal[1] == '=' ? 2 : 1;
        var bar = double.Parse(goal.AsSpan(length), NumberStyles.Float, CultureInfo.InvariantCulture);
        return goal[..length] switch
        {
            ">=" => value >= bar,
            "<=" => value <= bar,
            ">" => value > bar,
            "<" => value < bar,
            "==" => value == bar,
            _ => throw new FormatException($"'{goal}' is no goal."),
        };
    }
}

/// <summary>The run cannot be trusted, whatever its figures say.</summary>
/// <param name="reason">Why, as a clause.</param>
internal sealed class UnsoundRunException(string reason) : Exception(reason);
