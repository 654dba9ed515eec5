using System.ComponentModel.DataAnnotations;

namespace RagPlatform.EmbeddingService.Operations;

/// <summary>A budget as it is set.</summary>
/// <param name="Workspace">The workspace's name; empty for calls that name none.</param>
/// <param name="KeyId">The key; null or empty for the whole workspace.</param>
/// <param name="Period"><c>day</c> or <c>month</c>, UTC.</param>
/// <param name="Hard">Whether calls beyond it are refused; otherwise it only alerts, at 50, 80 and 100 %.</param>
/// <param name="LimitMicroDollars">Millionths of a US dollar; null for no such limit.</param>
/// <param name="LimitTokens">Tokens; null for no such limit.</param>
internal sealed record BudgetSet(
    [property: StringLength(63)] string Workspace,
    [property: StringLength(100)] string? KeyId,
    [property: Required, RegularExpression("^(day|month)$")] string Period,
    bool Hard,
    [property: Range(typeof(decimal), "0", "1000000000000")] decimal? LimitMicroDollars = null,
    [property: Range(0, long.MaxValue)] long? LimitTokens = null);

/// <summary>A budget and what is left of it.</summary>
internal sealed record BudgetReport(
    long Id,
    string Workspace,
    string KeyId,
    string Period,
    bool Hard,
    decimal? LimitMicroDollars,
    long? LimitTokens,
    decimal SpentMicroDollars,
    long SpentTokens,
    decimal ReservedMicroDollars,
    long ReservedTokens,
    DateTimeOffset ResetsAt);

/// <summary>What was used on a day.</summary>
internal sealed record UsageEntry(
    string Workspace, DateOnly Day, string KeyId, string Model, string Tier, long Requests, long Texts, long Tokens, decimal MicroDollars);

/// <summary>Usage, and what the month will have cost when it goes on like in the last seven days.</summary>
/// <param name="Entries">By day.</param>
/// <param name="SpentMicroDollars">Of tier source.</param>
/// <param name="SavedMicroDollars">Of the other tiers: what they would have cost.</param>
/// <param name="MonthToDateMicroDollars">Spent since the first of this month.</param>
/// <param name="MonthForecastMicroDollars">Spent by the end of this month, extrapolated.</param>
internal sealed record UsageReport(
    IReadOnlyList<UsageEntry> Entries,
    decimal SpentMicroDollars,
    decimal SavedMicroDollars,
    decimal MonthToDateMicroDollars,
    decimal MonthForecastMicroDollars);
