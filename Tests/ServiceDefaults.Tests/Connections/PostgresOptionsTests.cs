using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.ServiceDefaults.Tests.Connections;

public sealed class PostgresOptionsTests
{
    [Fact]
    public void DataSource_Defaults_AreTheDesignsFigures()
    {
        var used = Use("Host=db;Username=rag");

        Assert.Equal(5, used.MinPoolSize);
        Assert.Equal(20, used.MaxPoolSize);
        Assert.Equal(30, used.ConnectionIdleLifetime);
        Assert.Equal(2, used.Timeout);
        Assert.True(used.TcpKeepAlive);
        Assert.True(used.NoResetOnClose);
        Assert.Equal("rag-test", used.ApplicationName);
    }

    [Theory]
    [InlineData("Maximum Pool Size=40")]
    [InlineData("MaxPoolSize=40")]
    [InlineData("maximum pool size=40")]
    public void DataSource_ConnectionStringStatesAFigure_ItWins(string figure)
    {
        var used = Use($"Host=db;{figure}", configuration: ("Postgres:MaxPoolSize", "30"));

        Assert.Equal(40, used.MaxPoolSize);
        Assert.Equal(5, used.MinPoolSize);
    }

    [Fact]
    public void DataSource_SectionAndService_SectionWins()
    {
        var used = Use("Host=db", options => (options.MaxPoolSize, options.MaxAutoPrepare) = (12, 50), ("Postgres:MaxPoolSize", "30"));

        Assert.Equal(30, used.MaxPoolSize);
        Assert.Equal(50, used.MaxAutoPrepare);
    }

    [Theory]
    [InlineData("Postgres:MaxPoolSize", "0")]
    [InlineData("Postgres:MaxPoolSize", "4")]
    [InlineData("Postgres:ConnectTimeout", "00:00:00")]
    [InlineData("Postgres:MaxAutoPrepare", "-1")]
    public void Options_OutOfRange_AreRefusedAtStart(string key, string value)
    {
        using var host = Build("Host=db", null, (key, value));

        Assert.Throws<OptionsValidationException>(() => host.Services.GetRequiredService<IStartupValidator>().Validate());
    }

    [Fact]
    public void DataSource_NoConnectionString_NamesTheKey()
    {
        using var host = Build(null, null);

        var exception = Assert.Throws<InvalidOperationException>(host.Services.GetRequiredService<NpgsqlDataSource>);

        Assert.Contains("ConnectionStrings:ragdb", exception.Message, StringComparison.Ordinal);
    }

    private static NpgsqlConnectionStringBuilder Use(
        string connectionString, Action<PostgresOptions>? configure = null, params (string Key, string Value)[] configuration)
    {
        using var host = Build(connectionString, configure, configuration);
        return new(host.Services.GetRequiredService<NpgsqlDataSource>().ConnectionString);
    }

    private static IHost Build(
        string? connectionString, Action<PostgresOptions>? configure, params (string Key, string Value)[] configuration)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "rag-test" });
        builder.Configuration.AddInMemoryCollection(configuration.ToDictionary(entry => entry.Key, entry => (string?)entry.Value));
        builder.Configuration["ConnectionStrings:ragdb"] = connectionString;
        builder.AddRagPostgres(configure: configure);
        return builder.Build();
    }
}
