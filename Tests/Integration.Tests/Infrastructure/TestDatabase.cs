using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Infrastructure;

/// <summary>
/// A migrated database and a key prefix of its own for one test class:
/// <c>class XTests(TestDatabase database) : IClassFixture&lt;TestDatabase&gt;</c>.
/// </summary>
/// <remarks>
/// Where a server is missing, the properties skip the test that reads them, or fail it in CI. Only a test can be skipped: a fixture that
/// builds on this one fails, and so should leave the reading to the test's constructor.
/// </remarks>
/// <param name="backends">The servers, shared by all.</param>
public sealed class TestDatabase(Backends backends) : IAsyncLifetime
{
    private NpgsqlDataSource? _dataSource;
    private string? _connectionString;
    private (string ConnectionString, string KeyPrefix)? _cache;

    /// <summary>The database's connection string.</summary>
    public string ConnectionString => _connectionString ?? throw backends.Missing();

    /// <summary>The database's connection string as a superuser.</summary>
    public string AdministrationConnectionString => backends.AdministrationConnectionStringFor(ConnectionString);

    /// <summary>A pool of connections to the database.</summary>
    public NpgsqlDataSource DataSource => _dataSource ??= StorageDataSource.Create(ConnectionString);

    /// <summary>Valkey's connection string.</summary>
    public string CacheConnectionString => _cache?.ConnectionString ?? throw backends.Missing();

    /// <summary>What every key of the class begins with.</summary>
    public string KeyPrefix => _cache?.KeyPrefix ?? throw backends.Missing();

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        if (backends.AreThere)
        {
            _connectionString = await backends.CreateDatabaseAsync();
            _cache = backends.ReserveCache();
        }
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
