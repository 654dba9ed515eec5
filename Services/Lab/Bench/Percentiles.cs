namespace RagPlatform.Lab.Bench;

/// <summary>Quantiles of measured values.</summary>
internal static class Percentiles
{
    /// <summary>The nearest-rank percentile: the smallest value that at least <paramref name="percent"/> % of the values do not exceed.</summary>
    /// <param name="values">The values, in any order; at least one.</param>
    /// <param name="percent">Above 0, to 100.</param>
    public static double Of(IEnumerable<double> values, double percent)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(percent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        double[] sorted = [.. values];
        ArgumentOutOfRangeException.ThrowIfZero(sorted.Length, nameof(values));
        Array.Sort(sorted);
        return sorted[Math.Clamp((int)Math.Ceiling(percent / 100 * sorted.Length) - 1, 0, sorted.Length - 1)];
    }

    /// <summary>The median: with an even count the mean of the two in the middle.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values];
        ArgumentOutOfRangeException.ThrowIfZero(sorted.Length, nameof(values));
        Array.Sort(sorted);
        var middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
