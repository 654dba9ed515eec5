namespace RagPlatform.EmbeddingService.Operations;

/// <summary>What a month will have cost at its end.</summary>
internal static class Forecast
{
    /// <summary>What is spent, and the mean of the last seven days (today in proportion) for each day that remains.</summary>
    /// <param name="spent">Spent by day.</param>
    /// <param name="now">The moment, UTC.</param>
    public static (decimal ToDate, decimal AtEnd) OfMonth(IEnumerable<(DateOnly Day, decimal Spent)> spent, DateTimeOffset now)
    {
        var today = DateOnly.FromDateTime(now.UtcDateTime);
        var first = new DateOnly(today.Year, today.Month, 1);
        var days = spent.ToList();
        var toDate = days.Where(day => day.Day >= first && day.Day <= today).Sum(day => day.Spent);

        var weekStart = today.AddDays(-6);
        var known = days.Where(day => day.Spent > 0).Select(day => day.Day).DefaultIfEmpty(today).Min();
        var start = known > weekStart ? known : weekStart;
        var passedToday = Math.Max(1.0 / 24, now.UtcDateTime.TimeOfDay.TotalDays);
        var span = (decimal)(today.DayNumber - start.DayNumber + passedToday);
        var perDay = days.Where(day => day.Day >= start && day.Day <= today).Sum(day => day.Spent) / span;

        var remaining = (decimal)(first.AddMonths(1).DayNumber - today.DayNumber - now.UtcDateTime.TimeOfDay.TotalDays);
        return (toDate, Math.Round(toDate + (perDay * remaining), 6));
    }
}
