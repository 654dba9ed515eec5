namespace RagPlatform.Contracts;

/// <summary>What it means that texts were not embedded.</summary>
public enum EmbeddingFailure
{
    /// <summary>No answer, a rate limit, or the service itself is not ready: the same request may succeed later, whatever its texts are.</summary>
    Transient,

    /// <summary>The provider failed, or answered nonsense: on these texts, or on all. A text that nobody has sent before tells.</summary>
    Provider,

    /// <summary>A text is refused, and will be again.</summary>
    Refused,

    /// <summary>A budget is used up: an answer, not a wait. See <see cref="EmbeddingGatewayException.ResetsAt"/>.</summary>
    Quota,

    /// <summary>No request will succeed before somebody changes something: a key, a model, a route.</summary>
    Unusable,
}

/// <summary>The embedding service could not embed.</summary>
/// <param name="status">The HTTP status; 0 when there was no answer.</param>
/// <param name="message">What happened, without any text that was to be embedded.</param>
/// <param name="inner">The cause.</param>
public sealed class EmbeddingGatewayException(int status, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The provider does not answer, or says that it cannot.</summary>
    public const string ProviderUnavailable = "provider_unavailable";

    /// <summary>The provider's answer is none.</summary>
    public const string BadProviderAnswer = "bad_provider_answer";

    /// <summary>The provider answers nobody before somebody changes something.</summary>
    public const string ProviderUnusable = "provider_unusable";

    /// <summary>A budget is used up.</summary>
    public const string InsufficientQuota = "insufficient_quota";

    /// <summary>The HTTP status; 0 when there was no answer.</summary>
    public int Status { get; } = status;

    /// <summary>The code of the error, as OpenAI's format has it; null when there is none, as from a proxy.</summary>
    public string? Code { get; init; }

    /// <summary>How long the service asks to wait, if it does. Nobody here waits for longer than a bound of their own.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>When the budget that refused begins anew; null for other failures.</summary>
    public DateTimeOffset? ResetsAt { get; init; }

    /// <summary>What it means.</summary>
    public EmbeddingFailure Failure => (Status, Code) switch
    {
        (402, _) or (_, InsufficientQuota) => EmbeddingFailure.Quota,
        (400 or 413 or 414 or 422, _) => EmbeddingFailure.Refused,
        (_, ProviderUnusable) => EmbeddingFailure.Unusable,

        // Of the other 5xx without a code of ours, the service or a proxy in front of it says that it is not there.
        (500, _) or (_, ProviderUnavailable or BadProviderAnswer) => EmbeddingFailure.Provider,
        _ => TransportFailure.IsTransient(Status) ? EmbeddingFailure.Transient : EmbeddingFailure.Unusable,
    };

    /// <summary>Whether the same request may succeed soon, without anybody changing anything.</summary>
    public bool IsTransient => Failure is EmbeddingFailure.Transient or EmbeddingFailure.Provider;
}
