using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Threading.RateLimiting;
using Microsoft.Extensions.DependencyInjection;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;

namespace Microsoft.Extensions.Http.Resilience;

/// <summary>The options of the standard resilience handler, in the shape of the package Microsoft.Extensions.Http.Resilience.</summary>
public class HttpStandardResilienceOptions
{
    /// <summary>How many requests may be under way at one time.</summary>
    [Required]
    public HttpRateLimiterStrategyOptions RateLimiter { get; set; } = new();

    /// <summary>How long all attempts together may take. The default is 30 seconds.</summary>
    [Required]
    public HttpTimeoutStrategyOptions TotalRequestTimeout { get; set; } = new();

    /// <summary>When and how often to try again.</summary>
    [Required]
    public HttpRetryStrategyOptions Retry { get; set; } = new();

    /// <summary>When to stop asking.</summary>
    [Required]
    public HttpCircuitBreakerStrategyOptions CircuitBreaker { get; set; } = new();

    /// <summary>How long one attempt may take. The default is 10 seconds.</summary>
    [Required]
    public HttpTimeoutStrategyOptions AttemptTimeout { get; set; } = new() { Timeout = TimeSpan.FromSeconds(10) };
}

/// <summary>The limit on requests under way.</summary>
public class HttpRateLimiterStrategyOptions
{
    /// <summary>The limiter's options. The default is 1,000 requests and no queue.</summary>
    [Required]
    public ConcurrencyLimiterOptions DefaultRateLimiterOptions { get; set; } = new() { PermitLimit = 1_000, QueueLimit = 0 };
}

/// <summary>A timeout.</summary>
public class HttpTimeoutStrategyOptions : TimeoutStrategyOptions;

/// <summary>The circuit breaker, over transient failures.</summary>
public class HttpCircuitBreakerStrategyOptions : CircuitBreakerStrategyOptions<HttpResponseMessage>
{
    /// <summary>Creates the options with the package's defaults.</summary>
    public HttpCircuitBreakerStrategyOptions() => ShouldHandle = args => new(HttpClientResiliencePredicates.IsTransient(args.Outcome));
}

/// <summary>The retry: exponential backoff with jitter over transient failures, and <c>Retry-After</c> when the server sends it.</summary>
public class HttpRetryStrategyOptions : RetryStrategyOptions<HttpResponseMessage>
{
    private bool _shouldRetryAfterHeader;

    /// <summary>Creates the options with the package's defaults.</summary>
    public HttpRetryStrategyOptions()
    {
        ShouldHandle = args => new(HttpClientResiliencePredicates.IsTransient(args.Outcome));
        BackoffType = DelayBackoffType.Exponential;
        UseJitter = true;
        ShouldRetryAfterHeader = true;
    }

    /// <summary>Whether the server's <c>Retry-After</c> replaces the computed delay. The default is <see langword="true"/>.</summary>
    public bool ShouldRetryAfterHeader
    {
        get => _shouldRetryAfterHeader;
        set
        {
            _shouldRetryAfterHeader = value;
            DelayGenerator = value ? args => new(RetryAfter(args.Outcome.Result, TimeProvider.System)) : null;
        }
    }

    /// <summary>The delay that a response asks for; a moment in the past means at once.</summary>
    internal static TimeSpan? RetryAfter(HttpResponseMessage? response, TimeProvider time)
    {
        var delay = response?.Headers.RetryAfter switch
        {
            { Date: { } date } => date - time.GetUtcNow(),
            { Delta: { } delta } => delta,
            _ => (TimeSpan?)null,
        };
        return delay < TimeSpan.Zero ? TimeSpan.Zero : delay;
    }
}

/// <summary>Which failures may go away by themselves.</summary>
public static class HttpClientResiliencePredicates
{
    /// <summary>5xx, 408, 429, a connection that failed, a timeout of our own.</summary>
    public static bool IsTransient(Outcome<HttpResponseMessage> outcome) => outcome switch
    {
        { Exception: HttpRequestException or TimeoutRejectedException } => true,
        { Result.StatusCode: >= HttpStatusCode.InternalServerError } => true,
        { Result.StatusCode: HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests } => true,
        _ => false,
    };
}

/// <summary>The builder of a client's standard resilience pipeline.</summary>
public interface IHttpStandardResiliencePipelineBuilder
{
    /// <summary>The name of the pipeline and of its options: <c>{client}-standard</c>.</summary>
    string PipelineName { get; }

    /// <summary>The services.</summary>
    IServiceCollection Services { get; }
}
