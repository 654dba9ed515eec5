using Npgsql;

namespace RagPlatform.Integration.Tests.Infrastructure;

/// <summary>
/// A migrated database and a key prefix of its own for one test class: <c>class XTests(TestDatabase database) : IClassFixture&lt;TestDatabase&gt;</c>.
/// </summary>
/// <param name="backends">The servers, shared by all.</param>
public sealed class TestDatabase(Backends backends) : IAsyncLifetime
{
    private NpgsqlDataSource? _dataSource;

    /// <summary>The database's connection string.</summary>
    public string ConnectionString { get; private set; } = "";

    /// <summary>A pool of connections to the database.</summary>
    public NpgsqlDataSource DataSource => _dataSource ??= NpgsqlDataSource.Create(ConnectionString);

    /// <summary>Valkey's connection string.</summary>
    public string CacheConnectionString { get; private set; } = "";

    /// <summary>What every key of the class begins with.</summary>
    public string KeyPrefix { get; private set; } = "";

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        ConnectionString = await backends.CreateDatabaseAsync();
        (CacheConnectionString, KeyPrefix) = backends.ReserveCache();
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_dataSource is not null)
        {
            await _dataSource.DisposeAsync();
        }
    }
}
