using System.Globalization;
using System.Text.RegularExpressions;

namespace RagPlatform.SearchApi.Search;

/// <summary>Reads dates and times of ISO 8601, and nothing else: <c>02/03/2026</c> is one day here and another there.</summary>
internal static partial class IsoTime
{
    /// <summary>What is expected, for messages.</summary>
    public const string Expected = "Expected a date, or a date and time, in ISO 8601, such as \"2026-01-31\" or \"2026-01-31T12:00:00Z\".";

    /// <summary>
    /// Reads a calendar date, or a date and time, in the extended or the basic format: <c>2026-01-31</c>, <c>20260131</c>, <c>2026-01-31T12:00:00.5+01:00</c>,
    /// <c>20260131T120000Z</c>. Without a zone it is universal time, without a time midnight. Digits beyond a ten-millionth of a second are cut off.
    /// </summary>
    /// <returns>The time in UTC, or null.</returns>
    public static DateTimeOffset? TryParse(string text)
    {
        var match = Extended().Match(text) is { Success: true } extended ? extended : Basic().Match(text);
        if (!match.Success)
        {
            return null;
        }

        var (hour, minute, second) = (Number(match, "H"), Number(match, "m"), Number(match, "s"));
        var (zoneHours, zoneMinutes) = (Number(match, "zh"), Number(match, "zm"));
        if (!DateOnly.TryParseExact(
                $"{match.Groups["y"]}{match.Groups["M"]}{match.Groups["d"]}", "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date)
            || hour > 23 || minute > 59 || second > 59 || zoneHours > 23 || zoneMinutes > 59)
        {
            return null;
        }

        var fraction = match.Groups["f"].Value;
        var ticks = date.DayNumber * TimeSpan.TicksPerDay
            + new TimeSpan(hour, minute, second).Ticks
            + (fraction.Length == 0 ? 0 : long.Parse(fraction.PadRight(7, '0').AsSpan(0, 7), CultureInfo.InvariantCulture))
            - (new TimeSpan(zoneHours, zoneMinutes, 0).Ticks * (match.Groups["zs"].Value == "-" ? -1 : 1));
        return ticks >= 0 && ticks <= DateTime.MaxValue.Ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;
    }

    private static int Number(Match match, string group) =>
        match.Groups[group] is { Success: true } found ? int.Parse(found.ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(
        @"^(?<y>[0-9]{4})-(?<M>[0-9]{2})-(?<d>[0-9]{2})(T(?<H>[0-9]{2})(:(?<m>[0-9]{2})(:(?<s>[0-9]{2})([.,](?<f>[0-9]{1,18}))?)?)?(Z|(?<zs>[+-])(?<zh>[0-9]{2})(:?(?<zm>[0-9]{2}))?)?)?\z",
        RegexOptions.ExplicitCapture)]
    private static partial Regex Extended();

    [GeneratedRegex(
        @"^(?<y>[0-9]{4})(?<M>[0-9]{2})(?<d>[0-9]{2})(T(?<H>[0-9]{2})((?<m>[0-9]{2})((?<s>[0-9]{2})([.,](?<f>[0-9]{1,18}))?)?)?(Z|(?<zs>[+-])(?<zh>[0-9]{2})(:?(?<zm>[0-9]{2}))?)?)?\z",
        RegexOptions.ExplicitCapture)]
    private static partial Regex Basic();
}
