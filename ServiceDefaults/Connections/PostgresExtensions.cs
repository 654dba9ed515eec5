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

    private static readonly TimeSpan s_checkTimeout = TimeSpan.FromSeconds(3);

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

/// <summary>Asks PostgreSQL for an answer: a connection that comes from the pool says nothing about the server.</summary>
internal sealed class PostgresHealthCheck(NpgsqlDataSource dataSource, DatabaseCondition condition, TimeProvider time) : IHealthCheck
{
    // A server that is frozen does not answer that it does not answer: whoever asks knows after this time.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    // The empty statement: a round trip that needs no plan, no snapshot and no rights.
    private const string EmptyStatement = ";";

    private readonly Lock _lock = new();
    private Task _asking = Task.CompletedTask;

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await Asking().WaitAsync(s_patience, time, cancellationToken);
            return condition.IsDiskFull
                ? HealthCheckResult.Degraded("PostgreSQL's disk is full: nothing can be written, what only reads goes on.")
                : HealthCheckResult.Healthy();
        }
        catch (PostgresException exception)
        {
            return new(context.Registration.FailureStatus, $"PostgreSQL refused the connection (SQLSTATE {exception.SqlState}).");
        }
        catch (Exception exception) when (
            exception is NpgsqlException or TimeoutException or IOException or System.Net.Sockets.SocketException)
        {
            return new(context.Registration.FailureStatus, "PostgreSQL does not answer.");
        }
    }

    // One question at a time: while there is no answer to it, more of them would take the pool's connections.
    private Task Asking()
    {
        lock (_lock)
        {
            return _asking = _asking.IsCompleted ? AskAsync() : _asking;
        }
    }

    private async Task AskAsync()
    {
        await using var command = dataSource.CreateCommand(EmptyStatement);
        command.CommandTimeout = 2;
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }
}
