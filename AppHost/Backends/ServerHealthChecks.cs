using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using StackExchange.Redis;

namespace RagPlatform.AppHost.Backends;

/// <summary>The address of a server, known once it is started.</summary>
internal sealed class ServerAddress
{
    /// <summary>The connection string, or null.</summary>
    public string? ConnectionString { get; set; }
}

/// <summary>Gives a resource with a connection string a health check.</summary>
internal static class ServerHealthCheckExtensions
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);

    /// <summary>Adds a check that gets the connection string when it is known.</summary>
    public static IResourceBuilder<T> WithServerHealthCheck<T>(this IResourceBuilder<T> builder, Func<ServerAddress, IHealthCheck> create)
        where T : IResourceWithConnectionString
    {
        var address = new ServerAddress();
        builder.OnConnectionStringAvailable(async (resource, _, cancellationToken) =>
            address.ConnectionString = await resource.GetConnectionStringAsync(cancellationToken));
        var name = builder.Resource.Name + "_check";
        var check = create(address);
        builder.ApplicationBuilder.Services.AddHealthChecks().Add(new HealthCheckRegistration(name, check, failureStatus: null, tags: null, s_patience));
        return builder.WithHealthCheck(name);
    }
}

/// <summary>Does a database answer?</summary>
/// <param name="address">The server.</param>
/// <param name="database">The database; null for the one that the connection string names.</param>
/// <param name="readyFile">A file that is there when it makes sense to ask; null without one.</param>
internal sealed class PostgresHealthCheck(ServerAddress address, string? database = null, string? readyFile = null) : IHealthCheck
{
    private const string ProbeSql = "SELECT 1";

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (address.ConnectionString is not { } connectionString || (readyFile is not null && !File.Exists(readyFile)))
        {
            return HealthCheckResult.Unhealthy("It is not started.");
        }

        try
        {
            var settings = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, Timeout = 2, CommandTimeout = 2 };
            settings.Database = database ?? settings.Database;
            await using var connection = new NpgsqlConnection(settings.ConnectionString);
            await connection.OpenAsync(cancellationToken);
            await using var command = new NpgsqlCommand(ProbeSql, connection);
            await command.ExecuteScalarAsync(cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (Exception e) when (e is NpgsqlException or ArgumentException or TimeoutException)
        {
            return HealthCheckResult.Unhealthy(e.Message);
        }
    }
}

/// <summary>Does Valkey answer?</summary>
/// <param name="address">The server.</param>
internal sealed class CacheHealthCheck(ServerAddress address) : IHealthCheck, IAsyncDisposable
{
    private readonly SemaphoreSlim _connecting = new(1);
    private ConnectionMultiplexer? _connection;

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (address.ConnectionString is not { } connectionString)
        {
            return HealthCheckResult.Unhealthy("It is not started.");
        }

        try
        {
            var connection = await ConnectAsync(connectionString, cancellationToken);
            await connection.GetDatabase().PingAsync().WaitAsync(cancellationToken);
            return HealthCheckResult.Healthy();
        }
        catch (Exception e) when (e is RedisException or ArgumentException or TimeoutException)
        {
            return HealthCheckResult.Unhealthy(e.Message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await (_connection?.DisposeAsync() ?? ValueTask.CompletedTask);
        _connecting.Dispose();
    }

    // One connection for all checks: it connects again by itself.
    private async Task<ConnectionMultiplexer> ConnectAsync(string connectionString, CancellationToken cancellationToken)
    {
        await _connecting.WaitAsync(cancellationToken);
        try
        {
            return _connection ??= await ConnectionMultiplexer.ConnectAsync(connectionString);
        }
        finally
        {
            _connecting.Release();
        }
    }
}
