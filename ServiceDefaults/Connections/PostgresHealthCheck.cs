using System.Net.Sockets;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>
/// Asks PostgreSQL for an answer, over a connection that it keeps: neither a pool that others have emptied nor a connection that was opened long ago says
/// anything about the server. The answer is there within a second, whatever the server does; probes at the same time share one.
/// </summary>
internal sealed class PostgresHealthCheck(NpgsqlDataSource dataSource, DatabaseCondition condition, TimeProvider time) : IHealthCheck, IDisposable
{
    // The empty statement: a round trip that needs no plan, no snapshot and no rights.
    private const string EmptyStatement = ";";

    private static readonly TimeSpan s_limit = TimeSpan.FromMilliseconds(900);

    private readonly Lock _lock = new();
    private Task<string?>? _probe;
    private NpgsqlConnection? _connection;

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        Task<string?> probe;
        lock (_lock)
        {
            probe = _probe = _probe is { IsCompleted: false } running ? running : Task.Run(ProbeAsync, CancellationToken.None);
        }

        string? trouble;
        try
        {
            trouble = await probe.WaitAsync(s_limit, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            trouble = "PostgreSQL does not answer.";
        }

        return trouble is not null
            ? new(context.Registration.FailureStatus, trouble)
            : condition.IsDiskFull
                ? HealthCheckResult.Degraded("PostgreSQL's disk is full: nothing can be written, what only reads goes on.")
                : HealthCheckResult.Healthy();
    }

    public void Dispose() => _connection?.Dispose();

    private async Task<string?> ProbeAsync()
    {
        try
        {
            _connection ??= await dataSource.OpenConnectionAsync();
            await using var command = new NpgsqlCommand(EmptyStatement, _connection) { CommandTimeout = 2 };
            await command.ExecuteNonQueryAsync();
            return null;
        }
        catch (PostgresException exception)
        {
            await CloseAsync();
            return $"PostgreSQL refused the connection (SQLSTATE {exception.SqlState}).";
        }
        catch (Exception exception) when (exception is NpgsqlException or TimeoutException or IOException or SocketException or InvalidOperationException)
        {
            await CloseAsync();
            return "PostgreSQL does not answer.";
        }
    }

    private async Task CloseAsync()
    {
        if (Interlocked.Exchange(ref _connection, null) is { } connection)
        {
            await connection.DisposeAsync();
        }
    }
}
