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
        EmbeddingGatewayException { Status: StatusCodes.Status429TooManyRequests } refused => TooManyTokens(context, refused),
        EmbeddingGatewayException refused => ApiProblems.Unavailable(
            context, "The query could not be embedded.", refused.Message + " Keyword search does not need it."),
        SearchOverloadException overload => ApiProblems.Unavailable(
            context, "Too many searches wait already.", "Try again later.", (int)Math.Ceiling(overload.Wait.TotalSeconds)),
        _ => ApiProblems.Unavailable(context, "The search took too long.", "The database is busy, or the search too wide for its deadline."),
    };

    private static ProblemHttpResult TooManyTokens(HttpContext context, EmbeddingGatewayException refused)
    {
        context.Response.Headers.RetryAfter = 1.ToString(CultureInfo.InvariantCulture);
        return TypedResults.Problem(
            statusCode: StatusCodes.Status429TooManyRequests,
            title: "The query could not be embedded.",
            detail: refused.Message + " Keyword search does not need it.");
    }

    private static bool IsTimeout(Exception e) => e is TimeoutException or OperationCanceledException
        || e is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled }
        || e is NpgsqlException { InnerException: TimeoutException };
}
