using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Npgsql;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.Integration.Tests.ServiceDefaults;

public sealed class PostgresHealthTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Health_ServerAnswers_IsHealthy()
    {
        using var host = Build(database.ConnectionString);

        var entry = await CheckAsync(host);

        Assert.Equal(HealthStatus.Healthy, entry.Status);
    }

    [Theory]
    [InlineData("Port", "1")]
    [InlineData("Database", "no_such_database")]
    public async Task Health_NoUsableServer_IsUnhealthyAndTellsNoSecret(string key, string value)
    {
        var connectionString = new NpgsqlConnectionStringBuilder(database.ConnectionString) { [key] = value };
        using var host = Build(connectionString.ConnectionString);

        var entry = await CheckAsync(host);

        Assert.Equal(HealthStatus.Unhealthy, entry.Status);
        Assert.Null(entry.Exception);
        Assert.StartsWith("PostgreSQL ", entry.Description, StringComparison.Ordinal);
        Assert.DoesNotContain(connectionString.Password ?? "(none)", entry.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DataSource_Connections_CarryTheServicesNameAndNotMoreThanThePool()
    {
        using var host = Build(database.ConnectionString);
        var dataSource = host.Services.GetRequiredService<NpgsqlDataSource>();

        var names = await Task.WhenAll(Enumerable.Range(0, 60).Select(async _ =>
        {
            await using var command = dataSource.CreateCommand("SELECT current_setting('application_name') || ' ' || pg_backend_pid()");
            return (string)(await command.ExecuteScalarAsync(Cancellation))!;
        }));

        Assert.All(names, name => Assert.StartsWith("rag-health ", name, StringComparison.Ordinal));
        Assert.InRange(names.Distinct().Count(), 1, 20);
    }

    private static async Task<HealthReportEntry> CheckAsync(IHost host) =>
        (await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Cancellation)).Entries["postgres"];

    private static IHost Build(string connectionString)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "rag-health" });
        builder.Configuration.AddInMemoryCollection([new("ConnectionStrings:ragdb", connectionString)]);
        builder.AddRagPostgres();
        return builder.Build();
    }
}
