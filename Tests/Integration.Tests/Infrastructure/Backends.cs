using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using RagPlatform.SingleNode;
using RagPlatform.LocalServers;
using RagPlatform.Storage;

[assembly: AssemblyFixture(typeof(RagPlatform.Integration.Tests.Infrastructure.Backends))]

namespace RagPlatform.Integration.Tests.Infrastructure;

/// <summary>
/// PostgreSQL and Valkey for all tests of the assembly: those that <c>RAG_TEST_POSTGRES</c> (Npgsql's format, a role that may create
/// databases) and <c>RAG_TEST_VALKEY</c> (StackExchange.Redis' format) name, else processes in a temporary folder. Use
/// <see cref="TestDatabase"/> rather than this.
/// </summary>
public sealed class Backends : IAsyncLifetime
{
    /// <summary>More databases than test classes, so that each class has one of its own.</summary>
    private const int ValkeyDatabases = 1000;

    private readonly string _prefix = "t" + Guid.NewGuid().ToString("n")[..8];
    private readonly SemaphoreSlim _template = new(1);
    private readonly List<string> _databases = [];
    private DirectoryInfo? _folder;
    private LocalPostgres? _postgres;
    private LocalValkey? _valkey;
    private string? _administration;
    private string? _cache;
    private string? _missing;
    private bool _hasTemplate;
    private int _count;

    private string Template => _prefix + "_template";

    /// <summary>Are both servers there?</summary>
    public bool AreThere => _missing is null;

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        try
        {
            _administration = Environment.GetEnvironmentVariable("RAG_TEST_POSTGRES") ?? await StartPostgresAsync();
            _cache = Environment.GetEnvironmentVariable("RAG_TEST_VALKEY") ?? await StartValkeyAsync();
        }
        catch (LocalServerException e) when (e.Fault == LocalServerFault.ServerMissing)
        {
            _missing = e.Message;
        }
    }

    /// <summary>Ends the test because a server is missing: skipped, or failed in CI.</summary>
    public Exception Missing() => Requirements.Missing(_missing!);

    /// <summary>A connection string of Valkey, and what its keys begin with, for one test class.</summary>
    public (string ConnectionString, string KeyPrefix) ReserveCache()
    {
        RequireServers();
        var number = Interlocked.Increment(ref _count);
        // A server that was there has 16 databases only: there the prefix alone keeps the classes apart.
        return (_valkey is null ? _cache! : $"{_cache},defaultDatabase={number % ValkeyDatabases}", $"{_prefix}:{number}:");
    }

    /// <summary>Creates a database.</summary>
    /// <param name="migrated">With the schema of the platform; else empty.</param>
    /// <returns>Its connection string.</returns>
    public async Task<string> CreateDatabaseAsync(bool migrated = true)
    {
        RequireServers();
        if (migrated)
        {
            await EnsureTemplateAsync();
        }

        var name = $"{_prefix}_{Interlocked.Increment(ref _count)}";
        await AdministerAsync($"CREATE DATABASE {name} TEMPLATE {(migrated ? Template : "template0")}{Owner}");
        if (!migrated && _postgres is not null)
        {
            await _postgres.CreateDatabaseAsync(name, CancellationToken.None);
        }

        lock (_databases)
        {
            _databases.Add(name);
        }

        return ConnectionStringFor(name);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_postgres is null && _administration is not null)
        {
            foreach (var name in _databases.Append(Template))
            {
                await AdministerAsync($"DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            }
        }

        await (_valkey?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_postgres?.DisposeAsync() ?? ValueTask.CompletedTask);
        _folder?.Delete(recursive: true);
        _template.Dispose();
    }

    private void RequireServers()
    {
        if (!AreThere)
        {
            throw Missing();
        }
    }

    private async Task<string> StartPostgresAsync()
    {
        _folder ??= Directory.CreateTempSubdirectory("rag-tests-");
        _postgres = await LocalPostgres.StartAsync(
            new LocalPostgresOptions(Path.Combine(_folder.FullName, "postgres"), _prefix, _prefix, Durable: false),
            NullLogger.Instance,
            TestContext.Current.CancellationToken);
        return _postgres.AdministrationConnectionStringFor("postgres");
    }

    private async Task<string> StartValkeyAsync()
    {
        _folder ??= Directory.CreateTempSubdirectory("rag-tests-");
        var program = LocalValkey.FindProgram() ?? throw new LocalServerException(
            LocalServerFault.ServerMissing, "valkey-server is not installed: run eng/install-backends.sh, or name one with RAG_TEST_VALKEY.");
        _valkey = await LocalValkey.StartAsync(
            program,
            new LocalValkeyOptions(Path.Combine(_folder.FullName, "valkey"), _prefix, Durable: false, Databases: ValkeyDatabases),
            NullLogger.Instance,
            TestContext.Current.CancellationToken);
        return _valkey.ConnectionString;
    }

    // Migrated once; each class gets a copy, which is faster by far.
    private async Task EnsureTemplateAsync()
    {
        await _template.WaitAsync();
        try
        {
            if (_hasTemplate)
            {
                return;
            }

            // Another order of texts than that of their bytes, as servers elsewhere have it: what relies on the one or the other shows here.
            await AdministerAsync($"CREATE DATABASE {Template} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'");
            if (_postgres is not null)
            {
                await _postgres.CreateDatabaseAsync(Template, CancellationToken.None);
            }

            // Without a pool: a database with an open connection cannot be copied.
            await using (var dataSource = NpgsqlDataSource.Create(ConnectionStringFor(Template) + ";Pooling=false"))
            {
                await SchemaMigrator.MigrateAsync(dataSource, SchemaFile.All, CancellationToken.None);
            }

            _hasTemplate = true;
        }
        finally
        {
            _template.Release();
        }
    }

    /// <summary>A database's connection string as somebody who may do everything: faults that no service could make are planted so.</summary>
    public string AdministrationConnectionStringFor(string connectionString) =>
        new NpgsqlConnectionStringBuilder(_administration) { Database = new NpgsqlConnectionStringBuilder(connectionString).Database }.ConnectionString;

    // As in an installation: the services' role owns its database, and is no superuser.
    private string Owner => _postgres is null ? "" : " OWNER " + LocalPostgres.Role;

    private string ConnectionStringFor(string database) =>
        new NpgsqlConnectionStringBuilder(_postgres?.ConnectionStringFor(database) ?? _administration)
        {
            Database = database,
            IncludeErrorDetail = true,
        }.ConnectionString;

    private async Task AdministerAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_administration + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
