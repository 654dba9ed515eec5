using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.ServiceDefaults.Telemetry;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>The connection to PostgreSQL.</summary>
public static class PostgresExtensions
{
    /// <summary>The name of the health check.</summary>
    internal const string CheckName = "postgres";

    private static readonly TimeSpan s_checkTimeout = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Registers <see cref="NpgsqlDataSource"/> over <c>ConnectionStrings:{connectionName}</c> (see <see cref="PostgresAddress"/>) with our pool figures, and the health check
    /// <c>postgres</c>, which is <em>Unhealthy</em> while the server does not answer. Nothing connects before the first use.
    /// </summary>
    /// <param name="builder">The service's builder.</param>
    /// <param name="connectionName">The name of the connection string.</param>
    /// <param name="configure">This service's own defaults; the section <c>Postgres</c> and the connection string win over them.</param>
    /// <param name="nameSql">Names a statement's span; null leaves it to Npgsql, which calls all of them by the database's name.</param>
    /// <param name="configureDataSource">Further settings of the data source, such as type mappings.</param>
    /// <returns>The same builder.</returns>
    public static IHostApplicationBuilder AddRagPostgres(
        this IHostApplicationBuilder builder,
        string connectionName = "ragdb",
        Action<PostgresOptions>? configure = null,
        Func<string, string?>? nameSql = null,
        Action<NpgsqlDataSourceBuilder>? configureDataSource = null)
    {
        var configuration = builder.Configuration;
        builder.Services.AddSingleton<IValidateOptions<PostgresOptions>, PostgresOptionsValidator>();
        var options = builder.Services.AddOptions<PostgresOptions>();
        if (configure is not null)
        {
            options.Configure(configure);
        }

        options.Bind(configuration.GetSection(PostgresOptions.Section)).ValidateOnStart();

        // Our own check says which state the server refuses with; the telemetry of every service is subscribed to in one place.
        builder.AddNpgsqlDataSource(
            connectionName,
            settings =>
            {
                settings.DisableHealthChecks = settings.DisableMetrics = settings.DisableTracing = true;
                if (configuration.GetConnectionString(connectionName) is { Length: > 0 } text)
                {
                    settings.ConnectionString = PostgresAddress.ToConnectionString(text, $"ConnectionStrings:{connectionName}");
                }
            },
            dataSource =>
            {
                var figures = new PostgresOptions();
                configure?.Invoke(figures);
                configuration.GetSection(PostgresOptions.Section).Bind(figures);
                figures.ApplyTo(dataSource.ConnectionStringBuilder, dataSource.ConnectionString);

                // The pool's name in metrics. Without it Npgsql uses the connection string.
                dataSource.Name = connectionName;
                if (string.IsNullOrEmpty(dataSource.ConnectionStringBuilder.ApplicationName))
                {
                    dataSource.ConnectionStringBuilder.ApplicationName = builder.Environment.ApplicationName;
                }

                dataSource.ConfigureTracing(tracing => SqlTracing.Configure(tracing, nameSql));
                dataSource.UseVector();
                configureDataSource?.Invoke(dataSource);
            });
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<DatabaseCondition>();
        builder.Services.AddSingleton<PostgresHealthCheck>();
        builder.Services.AddHealthChecks().AddCheck<PostgresHealthCheck>(
            CheckName, HealthStatus.Unhealthy, tags: [], timeout: s_checkTimeout);
        return builder;
    }
}
