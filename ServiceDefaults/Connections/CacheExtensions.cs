using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>The connection to Valkey.</summary>
public static class CacheExtensions
{
    private static readonly TimeSpan s_checkTimeout = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Registers <see cref="CacheConnection"/> over <c>ConnectionStrings:{connectionName}</c>, else <c>REDIS_URL</c>, else
    /// <c>REDIS_HOST</c>, <c>REDIS_PORT</c>, <c>REDIS_USER</c> and <c>REDIS_PASSWORD</c>; with none of them every lookup is a miss. The connection is made in
    /// the background, so that a start never waits for it. The health check <c>cache</c> is <em>Degraded</em> at worst: a lost cache is no
    /// outage.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="connectionName">The name of the connection string.</param>
    /// <returns>The same builder.</returns>
    public static IHostApplicationBuilder AddRagCache(this IHostApplicationBuilder builder, string connectionName = "cache")
    {
        var endpoint = CacheEndpoint.Find(builder.Configuration, connectionName);
        builder.Services.AddSingleton<IValidateOptions<CacheOptions>, CacheOptionsValidator>();
        builder.Services.AddOptions<CacheOptions>().BindConfiguration(CacheOptions.Section).ValidateOnStart();
        builder.Services.AddMetrics();
        builder.Services.AddSingleton(services => new CacheConnection(
            endpoint is not null,
            services.GetRequiredService<IOptions<CacheOptions>>(),
            services.GetService<TimeProvider>() ?? TimeProvider.System,
            services.GetRequiredService<IMeterFactory>(),
            services.GetRequiredService<ILogger<CacheConnection>>()));
        builder.Services.AddHealthChecks().AddCheck<CacheHealthCheck>("cache", HealthStatus.Degraded, tags: [], timeout: s_checkTimeout);
        if (endpoint is null)
        {
            return builder;
        }

        var options = builder.Configuration.GetSection(CacheOptions.Section).Get<CacheOptions>() ?? new();
        builder.AddRedisClient(
            connectionName,
            settings =>
            {
                // Where it is, was read already; the package wants a text of its own to read.
                settings.ConnectionString = endpoint.ToString(includePassword: false);
                settings.DisableHealthChecks = settings.DisableTracing = settings.DisableAutoActivation = true;
            },
            redis => Configure(redis, endpoint, options, builder.Environment.ApplicationName));
        builder.Services.AddHostedService<CacheConnector>();
        return builder;
    }

    // A server that is away at first, or goes, is reconnected to for ever. What the connection string says itself, stays.
    private static void Configure(ConfigurationOptions redis, ConfigurationOptions endpoint, CacheOptions options, string clientName)
    {
        var unset = new ConfigurationOptions();
        var connectTimeout = (int)options.ConnectTimeout.TotalMilliseconds;
        redis.EndPoints.Clear();
        foreach (var server in endpoint.EndPoints)
        {
            redis.EndPoints.Add(server);
        }

        (redis.User, redis.Password) = (endpoint.User, endpoint.Password);
        redis.AbortOnConnectFail = false;
        redis.ClientName ??= clientName;
        redis.ConnectRetry = endpoint.ConnectRetry == unset.ConnectRetry ? 1 : endpoint.ConnectRetry;
        redis.ConnectTimeout = endpoint.ConnectTimeout == unset.ConnectTimeout ? connectTimeout : endpoint.ConnectTimeout;
        redis.SyncTimeout = endpoint.SyncTimeout == unset.SyncTimeout ? connectTimeout : endpoint.SyncTimeout;
        redis.KeepAlive = endpoint.KeepAlive == unset.KeepAlive ? 10 : endpoint.KeepAlive;
    }
}

/// <summary>Makes the connection in the background, and tries again until there is one. From then on it reconnects by itself.</summary>
internal sealed partial class CacheConnector(
    CacheConnection cache, IServiceProvider services, TimeProvider time, ILogger<CacheConnector> logger) : BackgroundService
{
    private static readonly TimeSpan s_retryDelay = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                // The container's factory connects synchronously. One that throws is asked again: only a result is kept.
                var multiplexer = await Task.Run(services.GetRequiredService<IConnectionMultiplexer>, stoppingToken);
                if (multiplexer.IsConnected)
                {
                    // The first command compiles what it runs through and would exceed its time, which looks like a lost cache.
                    await multiplexer.GetDatabase().PingAsync().WaitAsync(s_retryDelay, time, stoppingToken);
                }

                cache.Use(multiplexer);
                return;
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                LogFailed(logger, s_retryDelay.TotalSeconds, Reason(exception));
            }

            await Task.Delay(s_retryDelay, time, stoppingToken);
        }
    }

    // The client's own sentence says what to do; any other exception may hold more than a log should.
    private static string Reason(Exception exception) =>
        exception is RedisException ? $"{exception.GetType().Name}: {exception.Message}" : exception.GetType().Name;

    [LoggerMessage(1, LogLevel.Warning, "The cache cannot be connected to ({Failure}); next attempt in {DelaySeconds} s")]
    private static partial void LogFailed(ILogger logger, double delaySeconds, string failure);
}

/// <summary>
/// Healthy when the cache answers or none is configured; else as its registration says, which for us is <em>Degraded</em>.
/// </summary>
internal sealed class CacheHealthCheck(CacheConnection cache, IOptions<CacheOptions> options) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (!cache.IsConfigured)
        {
            return HealthCheckResult.Healthy("No cache is configured; everything comes from its source.");
        }

        var (answered, _) = await cache.TryGetAsync(database => database.PingAsync(), cancellationToken, options.Value.SilenceLimit);
        return answered
            ? HealthCheckResult.Healthy()
            : new(context.Registration.FailureStatus, "The cache does not answer; everything comes from its source.");
    }
}
