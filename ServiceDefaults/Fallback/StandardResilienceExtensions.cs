using System.Threading.RateLimiting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Options;
using Polly;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>What the package Microsoft.Extensions.Http.Resilience supplies, for feeds that do not have it.</summary>
public static class StandardResilienceExtensions
{
    /// <summary>Adds a limit on requests under way → total timeout → retry → circuit breaker → timeout of the attempt.</summary>
    public static IHttpStandardResiliencePipelineBuilder AddStandardResilienceHandler(this IHttpClientBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var name = $"{builder.Name}-standard";
        builder.Services.AddOptions<HttpStandardResilienceOptions>(name).Validate(
            options => options.AttemptTimeout.Timeout <= options.TotalRequestTimeout.Timeout,
            "The total timeout must not be below the timeout of one attempt.").Validate(
            options => options.CircuitBreaker.SamplingDuration >= 2 * options.AttemptTimeout.Timeout,
            "The circuit breaker's sampling duration must be at least twice the timeout of one attempt.").ValidateOnStart();

        // One pipeline for each client name: the factory renews handlers every two minutes, and the breaker must outlive them.
        builder.Services.AddKeyedSingleton(name, (services, _) => new StandardResiliencePipeline(
            services.GetRequiredService<IOptionsMonitor<HttpStandardResilienceOptions>>().Get(name),
            services.GetService<TimeProvider>() ?? TimeProvider.System));
        builder.AddHttpMessageHandler(
            services => new StandardResilienceHandler(services.GetRequiredKeyedService<StandardResiliencePipeline>(name)));
        builder.ConfigureHttpClient(client => client.Timeout = Timeout.InfiniteTimeSpan);
        return new PipelineBuilder(name, builder.Services);
    }

    /// <summary>As <see cref="AddStandardResilienceHandler(IHttpClientBuilder)"/>, configured by a callback.</summary>
    public static IHttpStandardResiliencePipelineBuilder AddStandardResilienceHandler(
        this IHttpClientBuilder builder, Action<HttpStandardResilienceOptions> configure) =>
        builder.AddStandardResilienceHandler().Configure(configure);

    /// <summary>As <see cref="AddStandardResilienceHandler(IHttpClientBuilder)"/>, configured by a section.</summary>
    public static IHttpStandardResiliencePipelineBuilder AddStandardResilienceHandler(
        this IHttpClientBuilder builder, IConfigurationSection section) => builder.AddStandardResilienceHandler().Configure(section);

    /// <summary>Configures the pipeline's options by a callback.</summary>
    public static IHttpStandardResiliencePipelineBuilder Configure(
        this IHttpStandardResiliencePipelineBuilder builder, Action<HttpStandardResilienceOptions> configure)
    {
        builder.Services.Configure(builder.PipelineName, configure);
        return builder;
    }

    /// <summary>Configures the pipeline's options by a section.</summary>
    public static IHttpStandardResiliencePipelineBuilder Configure(
        this IHttpStandardResiliencePipelineBuilder builder, IConfigurationSection section)
    {
        builder.Services.Configure<HttpStandardResilienceOptions>(
            builder.PipelineName, section, binder => binder.ErrorOnUnknownConfiguration = true);
        return builder;
    }

    private sealed record PipelineBuilder(string PipelineName, IServiceCollection Services) : IHttpStandardResiliencePipelineBuilder;
}

/// <summary>A client's pipeline and its limiter.</summary>
internal sealed class StandardResiliencePipeline : IDisposable
{
    public StandardResiliencePipeline(HttpStandardResilienceOptions options, TimeProvider time)
    {
        Limiter = new(options.RateLimiter.DefaultRateLimiterOptions);
        Pipeline = new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = time }
            .AddTimeout(options.TotalRequestTimeout)
            .AddRetry(options.Retry)
            .AddCircuitBreaker(options.CircuitBreaker)
            .AddTimeout(options.AttemptTimeout)
            .Build();
    }

    public ConcurrencyLimiter Limiter { get; }

    public ResiliencePipeline<HttpResponseMessage> Pipeline { get; }

    public void Dispose() => Limiter.Dispose();
}

/// <summary>Sends a request through a client's pipeline.</summary>
internal sealed class StandardResilienceHandler(StandardResiliencePipeline resilience) : DelegatingHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var lease = await resilience.Limiter.AcquireAsync(1, cancellationToken);
        if (!lease.IsAcquired)
        {
            throw new HttpRequestException("Too many requests of this client are under way.");
        }

        return await resilience.Pipeline.ExecuteAsync(
            static async (state, token) => await state.Handler.SendCoreAsync(state.Request, token),
            (Handler: this, Request: request),
            cancellationToken);
    }

    private Task<HttpResponseMessage> SendCoreAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        base.SendAsync(request, cancellationToken);
}
