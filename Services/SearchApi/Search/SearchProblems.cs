using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;

namespace RagPlatform.SearchApi.Search;

/// <summary>What is answered when a search cannot be: alike for whoever searches.</summary>
internal static class SearchProblems
{
    /// <summary>Whether a failure has an answer here.</summary>
    public static bool Knows(Exception failure, CancellationToken caller) =>
        failure is EmbeddingGatewayException or SearchOverloadException || (IsTimeout(failure) && !caller.IsCancellationRequested);

    /// <summary>The answer to a failure that <see cref="Knows"/>.</summary>
    public static ProblemHttpResult Answer(HttpContext context, Exception failure) => failure switch
    {
        EmbeddingGatewayException { Failure: EmbeddingFailure.Quota } refused => BudgetIsSpent(context, refused),
        EmbeddingGatewayException refused => ApiProblems.Unavailable(
            context, "The query could not be embedded.", refused.Message + " Keyword search does not need it.", Seconds(refused.RetryAfter, 2)),
        SearchOverloadException overload => ApiProblems.Unavailable(
            context, "Too many searches wait already.", "Try again later.", (int)Math.Ceiling(overload.Wait.TotalSeconds)),
        _ => ApiProblems.Unavailable(context, "The search took too long.", "The database is busy, or the search too wide for its deadline."),
    };

    // Not a wait of ours: the answer says when it is worth while to ask again.
    private static ProblemHttpResult BudgetIsSpent(HttpContext context, EmbeddingGatewayException refused)
    {
        context.Response.Headers.RetryAfter = Seconds(refused.RetryAfter, 60).ToString(CultureInfo.InvariantCulture);
        return TypedResults.Problem(
            statusCode: StatusCodes.Status429TooManyRequests,
            title: "The budget for embeddings is spent.",
            detail: refused.Message + " Keyword search does not need it.",
            extensions: refused.ResetsAt is { } resetsAt ? new Dictionary<string, object?> { ["resetsAt"] = resetsAt } : null);
    }

    private static int Seconds(TimeSpan? wait, int otherwise) => wait is { } known ? (int)Math.Clamp(Math.Ceiling(known.TotalSeconds), 1, int.MaxValue) : otherwise;

    private static bool IsTimeout(Exception e) => e is TimeoutException or OperationCanceledException
        || e is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled }
        || e is NpgsqlException { InnerException: TimeoutException };
}
