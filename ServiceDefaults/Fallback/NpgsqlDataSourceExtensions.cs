using System.Data.Common;
using Aspire.Npgsql;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Npgsql;
using RagPlatform.ServiceDefaults.Connections;

namespace Aspire.Npgsql
{
    /// <summary>The settings of <c>AddNpgsqlDataSource</c>, in the shape of the package Aspire.Npgsql.</summary>
    public class NpgsqlSettings
    {
        /// <summary>The connection string.</summary>
        public string? ConnectionString { get; set; }

        /// <summary>Whether to leave the health check out.</summary>
        public bool DisableHealthChecks { get; set; }

        /// <summary>Accepted for the package's sake: telemetry is subscribed to by name.</summary>
        public bool DisableTracing { get; set; }

        /// <summary>Accepted for the package's sake: telemetry is subscribed to by name.</summary>
        public bool DisableMetrics { get; set; }
    }
}

namespace Microsoft.Extensions.Hosting
{
    /// <summary>What the package Aspire.Npgsql supplies, for feeds that do not have it.</summary>
    public static class NpgsqlDataSourceExtensions
    {
        private const string Section = "Aspire:Npgsql";

        /// <summary>
        /// Registers <see cref="NpgsqlDataSource"/>, and <see cref="NpgsqlConnection"/> from it. Settings come from <c>Aspire:Npgsql</c>,
        /// then <c>Aspire:Npgsql:{connectionName}</c>, then <c>ConnectionStrings:{connectionName}</c>, then
        /// <paramref name="configureSettings"/>.
        /// </summary>
        /// <exception cref="InvalidOperationException">On first use: there is no connection string.</exception>
        public static void AddNpgsqlDataSource(
            this IHostApplicationBuilder builder,
            string connectionName,
            Action<NpgsqlSettings>? configureSettings = null,
            Action<NpgsqlDataSourceBuilder>? configureDataSourceBuilder = null)
        {
            ArgumentNullException.ThrowIfNull(builder);
            ArgumentException.ThrowIfNullOrEmpty(connectionName);

            var settings = new NpgsqlSettings();
            var section = builder.Configuration.GetSection(Section);
            section.Bind(settings);
            section.GetSection(connectionName).Bind(settings);
            if (builder.Configuration.GetConnectionString(connectionName) is { } connectionString)
            {
                settings.ConnectionString = connectionString;
            }

            configureSettings?.Invoke(settings);

            builder.Services.AddSingleton(
                services => Create(services, settings.ConnectionString, connectionName, configureDataSourceBuilder));
            builder.Services.AddSingleton<DbDataSource>(services => services.GetRequiredService<NpgsqlDataSource>());
            builder.Services.AddTransient(services => services.GetRequiredService<NpgsqlDataSource>().CreateConnection());
            builder.Services.AddTransient<DbConnection>(services => services.GetRequiredService<NpgsqlConnection>());
            if (!settings.DisableHealthChecks)
            {
                builder.Services.AddHealthChecks().AddCheck<PostgresHealthCheck>("PostgreSql", HealthStatus.Unhealthy, tags: []);
            }
        }

        private static NpgsqlDataSource Create(
            IServiceProvider services, string? connectionString, string connectionName, Action<NpgsqlDataSourceBuilder>? configure)
        {
            if (string.IsNullOrWhiteSpace(connectionString))
            {
                throw new InvalidOperationException(
                    $"ConnectionString is missing. It should be provided in 'ConnectionStrings:{connectionName}' or under the "
                    + $"'ConnectionString' key in '{Section}' or '{Section}:{connectionName}' configuration sections.");
            }

            var dataSource = new NpgsqlDataSourceBuilder(connectionString);
            dataSource.UseLoggerFactory(services.GetService<ILoggerFactory>());
            configure?.Invoke(dataSource);
            return dataSource.Build();
        }
    }
}
