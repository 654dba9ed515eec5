using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Budgets;

/// <summary>A hard budget leaves no room for a call. It concerns the one who pays, not others who wait for the same text.</summary>
/// <param name="period"><c>day</c> or <c>month</c>.</param>
/// <param name="resetsAt">When the budget begins anew; null when it could not be asked.</param>
/// <param name="untilReset">The time until then.</param>
internal sealed class BudgetException(string period, DateTimeOffset? resetsAt, TimeSpan untilReset)
    : Exception($"A hard budget per {period} leaves no room for the call.")
{
    public GatewayException ToGatewayException() => resetsAt is { } reset
        ? new(
            StatusCodes.Status429TooManyRequests, "insufficient_quota", "insufficient_quota",
            $"The budget per {period} is used up. It begins anew at {reset.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}.", inner: this)
        {
            RetryAfter = untilReset,
            BudgetReset = reset,
            NoRetry = true,
        }
        : new(
            StatusCodes.Status503ServiceUnavailable, "server_error", "budget_unavailable",
            "The workspace's budgets cannot be checked at the moment: try again shortly.", inner: this)
        {
            RetryAfter = TimeSpan.FromSeconds(2),
        };
}
