using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.LocalServers;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.SingleNode;

public sealed class LocalPostgresTests : IDisposable
{
    private readonly DirectoryInfo _folder;

    public LocalPostgresTests()
    {
        Requirements.NeedPostgres();
        _folder = Directory.CreateTempSubdirectory("rag-tests-");
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Start_NewFolder_GivesTheDatabaseBehindAPassword()
    {
        await using var postgres = await StartAsync();

        Assert.Equal("ragdb", await ScalarAsync(postgres.ConnectionString, "SELECT current_database()"));
        Assert.Equal("off", await ScalarAsync(postgres.ConnectionString, "SHOW jit"));
        Assert.Equal("127.0.0.1", await ScalarAsync(postgres.ConnectionString, "SHOW listen_addresses"));
        var wrong = postgres.ConnectionString + ";Password=wrong";
        var error = await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(wrong, "SELECT 1"));
        Assert.Equal(PostgresErrorCodes.InvalidPassword, error.SqlState);
    }

    [Fact]
    public async Task Start_ServicesRole_OwnsItsDatabaseAndIsNoSuperuser()
    {
        await using var postgres = await StartAsync();

        Assert.Equal(
            "f,f,f,f,f",
            await ScalarAsync(
                postgres.ConnectionString,
                "SELECT concat_ws(',', rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls) FROM pg_roles WHERE rolname = current_user"));
        Assert.Equal(
            LocalPostgres.Role,
            await ScalarAsync(postgres.ConnectionString, "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'ragdb'"));
        await using (var dataSource = NpgsqlDataSource.Create(postgres.ConnectionString))
        {
            Assert.NotEmpty(await SchemaMigrator.MigrateAsync(dataSource, SchemaFile.All, Cancelled));
        }

        // What it may know of the machine is what an index build needs.
        Assert.Contains("MemAvailable:", (string?)await ScalarAsync(postgres.ConnectionString, "SELECT rag_host_file('memory')"), StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<PostgresException>(
            () => ScalarAsync(postgres.ConnectionString, "SELECT pg_read_file('/etc/passwd')"));
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refused.SqlState);
    }

    [Fact]
    public async Task Start_DatabaseOfAnEarlierVersion_IsHandedToTheServicesRole()
    {
        await using (var first = await StartAsync())
        {
            // As it was: the administrator made, and owned, everything.
            var administrator = first.AdministrationConnectionStringFor("ragdb");
            await ScalarAsync(administrator, "ALTER DATABASE ragdb OWNER TO rag");
            await using var dataSource = NpgsqlDataSource.Create(administrator + ";Pooling=false");
            await SchemaMigrator.MigrateAsync(dataSource, SchemaFile.All, Cancelled);
            await ScalarAsync(administrator, "DROP FUNCTION rag_host_file(text)");
            await ScalarAsync(administrator, "CREATE TABLE kept AS SELECT 42 AS answer");
        }

        await using var second = await StartAsync();

        Assert.Equal(42, await ScalarAsync(second.ConnectionString, "SELECT answer FROM kept"));
        Assert.Equal(
            0L,
            await ScalarAsync(
                second.ConnectionString,
                """
                SELECT (SELECT count(*) FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relowner <> 'ragplatform'::regrole)
                     + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proowner <> 'ragplatform'::regrole
                           AND proname <> 'rag_host_file'
                           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = pg_proc.oid AND d.deptype = 'e'))
                """));
        // It can be migrated further, as only an owner can.
        await ScalarAsync(second.ConnectionString, "ALTER TABLE documents ADD COLUMN later int");
    }

    [Fact]
    public async Task Start_AfterStop_HasTheDataAndStopLeavesNoProcess()
    {
        var first = await StartAsync();
        await ScalarAsync(first.ConnectionString, "CREATE TABLE kept AS SELECT 42 AS answer");
        var process = first.ProcessId!.Value;
        await first.DisposeAsync();
        Assert.False(IsAlive(process));

        await using var second = await StartAsync();

        Assert.Equal(42, await ScalarAsync(second.ConnectionString, "SELECT answer FROM kept"));
    }

    [Fact]
    public async Task Crash_OfTheServer_IsRecoveredOnTheSamePort()
    {
        await using var postgres = await StartAsync();
        await ScalarAsync(postgres.ConnectionString, "CREATE TABLE kept AS SELECT 42 AS answer");
        var crashed = postgres.ProcessId;

        postgres.Crash();

        Assert.Equal(42, await EventuallyAsync(() => ScalarAsync(postgres.ConnectionString, "SELECT answer FROM kept")));
        Assert.NotEqual(crashed, postgres.ProcessId);
    }

    [Fact]
    public async Task Start_ServerLeftRunningByAKilledHost_StopsItFirst()
    {
        await using var orphan = await StartAsync();
        await ScalarAsync(orphan.ConnectionString, "CREATE TABLE kept AS SELECT 42 AS answer");
        var process = orphan.ProcessId!.Value;

        await using var next = await StartAsync();

        Assert.False(IsAlive(process));
        Assert.Equal(42, await ScalarAsync(next.ConnectionString, "SELECT answer FROM kept"));
        // The watch of the first must not fight for the folder.
        await orphan.StopAsync();
    }

    [Fact]
    public async Task Start_PidFileNamesSomebodyElse_StartsAndLeavesThatProcessAlone()
    {
        await (await StartAsync()).DisposeAsync();
        using var somebody = Process.Start("sleep", "60");
        var pidFile = Path.Combine(_folder.FullName, "postgres/data/postmaster.pid");
        await File.WriteAllTextAsync(pidFile, $"{somebody.Id}\n/elsewhere\n", Cancelled);

        await using (var postgres = await StartAsync())
        {
            Assert.Equal(1, await ScalarAsync(postgres.ConnectionString, "SELECT 1"));
        }

        Assert.False(somebody.HasExited);
        somebody.Kill();
    }

    [Fact]
    public async Task Start_InitialisationWasKilled_BeginsAgain()
    {
        var unfinished = Directory.CreateDirectory(Path.Combine(_folder.FullName, "postgres/data.new"));
        await File.WriteAllTextAsync(Path.Combine(unfinished.FullName, "PG_VERSION"), "15\n", Cancelled);

        await using var postgres = await StartAsync();

        Assert.Equal(1, await ScalarAsync(postgres.ConnectionString, "SELECT 1"));
    }

    [Fact]
    public async Task Start_FolderOfAnotherVersion_SaysWhichVersionToInstall()
    {
        var data = Directory.CreateDirectory(Path.Combine(_folder.FullName, "postgres/data"));
        await File.WriteAllTextAsync(Path.Combine(data.FullName, "PG_VERSION"), "11\n", Cancelled);

        var error = await Assert.ThrowsAsync<LocalServerException>(StartAsync);

        Assert.Equal(LocalServerFault.DataFolder, error.Fault);
        Assert.Contains("written by PostgreSQL 11", error.Message, StringComparison.Ordinal);
        Assert.Contains("install postgresql-11", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task Start_AsRoot_RunsAsAUserWithoutRights()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root has to change the user.");
        await using var postgres = await StartAsync();

        var status = await File.ReadAllLinesAsync($"/proc/{postgres.ProcessId}/status", Cancelled);

        Assert.DoesNotContain(status, line => line.StartsWith("Uid:\t0", StringComparison.Ordinal));
        Assert.Equal("CapPrm:\t0000000000000000", status.Single(line => line.StartsWith("CapPrm:", StringComparison.Ordinal)));
    }

    private static async Task<object?> ScalarAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(Cancelled);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Cancelled);
    }

    private static async Task<T> EventuallyAsync<T>(Func<Task<T>> attempt)
    {
        var since = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return await attempt();
            }
            catch (NpgsqlException) when (since.Elapsed < TimeSpan.FromSeconds(30))
            {
                await Task.Delay(100, Cancelled);
            }
        }
    }

    // A zombie has no working folder.
    private static bool IsAlive(int process) => Directory.Exists($"/proc/{process}/cwd");

    private Task<LocalPostgres> StartAsync() => LocalPostgres.StartAsync(
        new LocalPostgresOptions(Path.Combine(_folder.FullName, "postgres"), "secret", "role", Durable: false), NullLogger.Instance, Cancelled);
}
