using Aspire.StackExchange.Redis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using StackExchange.Redis;

namespace Aspire.StackExchange.Redis
{
    /// <summary>The settings of <c>AddRedisClient</c>, in the shape of the package Aspire.StackExchange.Redis.</summary>
    public sealed class StackExchangeRedisSettings
    {
        /// <summary>The connection string, in StackExchange.Redis format: <c>host:port,password=…</c>.</summary>
        public string? ConnectionString { get; set; }

        /// <summary>Whether to leave the health check out.</summary>
        public bool DisableHealthChecks { get; set; }

        /// <summary>Accepted for the package's sake: this version of StackExchange.Redis has no traces.</summary>
        public bool DisableTracing { get; set; }

        /// <summary>Accepted for the package's sake: the connection is made on first use.</summary>
        public bool DisableAutoActivation { get; set; } = true;
    }
}

namespace Microsoft.Extensions.Hosting
{
    /// <summary>What the package Aspire.StackExchange.Redis supplies, for feeds that do not have it.</summary>
    public static class RedisClientExtensions
    {
        private const string Section = "Aspire:StackExchange:Redis";

        /// <summary>
        /// Registers <see cref="IConnectionMultiplexer"/>, which connects when it is first asked for. Settings come from
        /// <c>Aspire:StackExchange:Redis</c>, then <c>…:{connectionName}</c>, then <c>ConnectionStrings:{connectionName}</c>, then
        /// <paramref name="configureSettings"/>.
        /// </summary>
        /// <exception cref="InvalidOperationException">On first use: there is no endpoint.</exception>
        public static void AddRedisClient(
            this IHostApplicationBuilder builder,
            string connectionName,
            Action<StackExchangeRedisSettings>? configureSettings = null,
            Action<ConfigurationOptions>? configureOptions = null)
        {
            ArgumentNullException.ThrowIfNull(builder);
            ArgumentException.ThrowIfNullOrEmpty(connectionName);

            var settings = new StackExchangeRedisSettings();
            var section = builder.Configuration.GetSection(Section);
            section.Bind(settings);
            section.GetSection(connectionName).Bind(settings);
            if (builder.Configuration.GetConnectionString(connectionName) is { } connectionString)
            {
                settings.ConnectionString = connectionString;
            }

            configureSettings?.Invoke(settings);

            builder.Services.AddSingleton<IConnectionMultiplexer>(_ =>
            {
                var options = ConfigurationOptions.Parse(settings.ConnectionString ?? "");
                options.AbortOnConnectFail =
                    settings.ConnectionString?.Contains("abortConnect=true", StringComparison.OrdinalIgnoreCase) ?? false;
                section.GetSection("ConfigurationOptions").Bind(options);
                section.GetSection(connectionName).GetSection("ConfigurationOptions").Bind(options);
                configureOptions?.Invoke(options);
                if (options.EndPoints.Count == 0)
                {
                    throw new InvalidOperationException(
                        $"No endpoints specified. Ensure a valid connection string was provided in 'ConnectionStrings:{connectionName}' "
                        + $"or for the '{Section}:ConnectionString' configuration key.");
                }

                // As newer versions of the client always do: otherwise whoever continues after one answer holds all later answers up.
                var multiplexer = ConnectionMultiplexer.Connect(options);
                multiplexer.PreserveAsyncOrder = false;
                return multiplexer;
            });
            if (!settings.DisableHealthChecks)
            {
                builder.Services.AddHealthChecks().AddCheck<RedisHealthCheck>("StackExchange.Redis", HealthStatus.Unhealthy, tags: []);
            }
        }
    }
    /// <summary>Pings the server.</summary>
    internal sealed class RedisHealthCheck(IConnectionMultiplexer connection) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            try
            {
                await connection.GetDatabase().PingAsync().WaitAsync(cancellationToken);
                return HealthCheckResult.Healthy();
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException)
            {
                return new(context.Registration.FailureStatus);
            }
        }
    }
}
