using RagPlatform.Contracts;

namespace RagPlatform.EmbeddingService.Providers;

/// <summary>What a failed call of a provider means for the next one.</summary>
internal enum ProviderFailure
{
    /// <summary>408, 5xx, a timeout or a broken connection: the same call may succeed.</summary>
    Transient,

    /// <summary>429: it may succeed later, see <see cref="ProviderException.RetryAfter"/>.</summary>
    RateLimited,

    /// <summary>The provider refuses this input (400, 413, 422): it will do so again.</summary>
    Rejected,

    /// <summary>401, 402, 403, 404, 409 or a used-up quota: no call will succeed before somebody changes something.</summary>
    Unusable,

    /// <summary>An answer that is no answer: wrong count, index, dimensions or numbers, no JSON, half a body.</summary>
    Malformed,
}

/// <summary>A call of a provider failed.</summary>
/// <param name="failure">What it means.</param>
/// <param name="message">What happened; never any text that was to be embedded.</param>
/// <param name="inner">The cause.</param>
internal sealed class ProviderException(ProviderFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    public ProviderFailure Failure { get; } = failure;

    /// <summary>The HTTP status; 0 when there was no answer.</summary>
    public int Status { get; init; }

    /// <summary>When the provider says that it will take calls again.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Whether the provider names the format of vectors as what it does not like.</summary>
    public bool IsAboutFormat { get; init; }

    /// <summary>What a status means.</summary>
    public static ProviderFailure Classify(int status) => status switch
    {
        429 => ProviderFailure.RateLimited,
        _ when TransportFailure.IsTransient(status) => ProviderFailure.Transient,
        400 or 413 or 414 or 422 => ProviderFailure.Rejected,
        _ => ProviderFailure.Unusable,
    };
}
