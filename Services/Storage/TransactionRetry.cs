using Npgsql;
using Polly;
using Polly.Retry;

namespace RagPlatform.Storage;

/// <summary>
/// Does a transaction again that PostgreSQL has ended in favour of another one. Nothing of it was done, so it is safe for every transaction that is in one
/// delegate as a whole.
/// </summary>
internal static class TransactionRetry
{
    private static readonly ResiliencePipeline s_pipeline = new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<PostgresException>(
                e => e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure),
            MaxRetryAttempts = 4,
            Delay = TimeSpan.FromMilliseconds(20),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
        })
        .Build();

    /// <summary>Runs a transaction, up to five times.</summary>
    /// <param name="transaction">The whole of it.</param>
    /// <param name="cancellationToken">Cancels, also between two runs.</param>
    /// <exception cref="PostgresException">Among others: it was ended five times (40P01, 40001).</exception>
    public static async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> transaction, CancellationToken cancellationToken) =>
        await s_pipeline.ExecuteAsync(
            static async (transaction, token) => await transaction(token).ConfigureAwait(false), transaction, cancellationToken).ConfigureAwait(false);
}
