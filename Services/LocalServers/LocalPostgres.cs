using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace RagPlatform.LocalServers;

/// <summary>How to run PostgreSQL.</summary>
/// <param name="Folder">Its folder: <c>data</c> below it has the database, <c>server.log</c> what it prints.</param>
/// <param name="Password">The password of the role <c>rag</c>, the administrator.</param>
/// <param name="RolePassword">The password of the role <c>ragplatform</c>, which the services use.</param>
/// <param name="Port">1 to 65,535; 0 for a free one.</param>
/// <param name="Durable">False for data that nobody needs after a crash of the machine.</param>
internal sealed record LocalPostgresOptions(string Folder, string Password, string RolePassword, int Port = 0, bool Durable = true);

/// <summary>
/// A PostgreSQL server of our own: as a user without rights when the host is root, on the loopback interface only, with a password, and
/// with settings for this machine. What an earlier host left behind is stopped first; after a crash PostgreSQL recovers by itself.
/// </summary>
internal sealed class LocalPostgres : IAsyncDisposable
{
    /// <summary>The database of the platform.</summary>
    public const string Database = "ragdb";

    /// <summary>The role that the services use: it owns the database, and nothing else.</summary>
    public const string Role = "ragplatform";

    // The superuser that the server was initialised with.
    private const string Administrator = "rag";
    private const int StartAttempts = 3;

    private static readonly StopStep[] s_stopSteps =
    [
        // Fast shutdown: sessions end, a checkpoint is written. Then immediate: as after a crash.
        new(Unix.Interrupt, TimeSpan.FromSeconds(30)),
        new(Unix.Quit, TimeSpan.FromSeconds(10)),
    ];

    private readonly SupervisedServer _server;
    private readonly LocalPostgresOptions _options;

    private LocalPostgres(LocalPostgresOptions options, PostgresBinaries binaries, int port, UnixUser? user, ILogger logger)
    {
        _options = options;
        Port = port;
        Major = binaries.Major;
        var data = Path.Combine(options.Folder, "data");
        var command = new ServerCommand(
            "postgres",
            options.Folder,
            data,
            binaries.Folder + "/postgres",
            ["-D", ServerCommand.FolderHandle + "/data", "-c", "listen_addresses=127.0.0.1", "-c", $"port={port}"],
            user);
        // Nothing of this server is alive when BeforeStart runs, so the pid file is stale; its number may be another server's by now.
        _server = new SupervisedServer(
            new ServerPlan("PostgreSQL", command, "INT", s_stopSteps, () => File.Delete(data + "/postmaster.pid"), IsReadyAsync),
            TimeProvider.System,
            logger);
    }

    /// <summary>Called when the server was started again after it had ended by itself: it has another process then.</summary>
    public event Action? Restarted
    {
        add => _server.Restarted += value;
        remove => _server.Restarted -= value;
    }

    /// <summary>The port on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>The major version of the server.</summary>
    public int Major { get; }

    /// <summary>The id of the server's first process, or null while it does not run.</summary>
    public int? ProcessId => _server.ProcessId;

    /// <summary>The connection string of the platform's database, with the password.</summary>
    public string ConnectionString => ConnectionStringFor(Database);

    /// <summary>Starts the server; a new folder is initialised and gets the database.</summary>
    /// <param name="options">How to run it.</param>
    /// <param name="logger">Gets what happens to the process.</param>
    /// <param name="cancellationToken">Cancels; nothing stays running.</param>
    /// <exception cref="LocalServerException">It cannot be started; the message is one line that says what to do.</exception>
    public static async Task<LocalPostgres> StartAsync(LocalPostgresOptions options, ILogger logger, CancellationToken cancellationToken)
    {
        ServerFolder.RequireLinux("PostgreSQL", "RAG_POSTGRES");
        var user = ServerFolder.Prepare(options.Folder, "postgres", "nobody");
        options = options with { Folder = Unix.RealPath(options.Folder) };
        var versionFile = Path.Combine(options.Folder, "data", "PG_VERSION");
        int? dataMajor = File.Exists(versionFile)
            ? int.Parse((await File.ReadAllTextAsync(versionFile, cancellationToken)).Trim(), CultureInfo.InvariantCulture)
            : null;
        var binaries = PostgresBinaries.Choose(PostgresBinaries.FindAll(), dataMajor, options.Folder);
        if (dataMajor is null)
        {
            await InitialiseAsync(options, binaries, user, cancellationToken);
        }

        await File.WriteAllTextAsync(
            Path.Combine(options.Folder, "data", PostgresSettings.FileName),
            PostgresSettings.Write(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, Environment.ProcessorCount, options.Durable),
            cancellationToken);

        for (var attempt = 1; ; attempt++)
        {
            var port = options.Port == 0 ? SupervisedServer.FreePort() : options.Port;
            var postgres = new LocalPostgres(options, binaries, port, user, logger);
            try
            {
                await postgres._server.StartAsync(cancellationToken);
                await postgres.CreateDatabaseAsync(Database, cancellationToken);
                return postgres;
            }
            catch (LocalServerException) when (options.Port == 0 && attempt < StartAttempts)
            {
                // A port that was free a moment ago can be somebody else's now.
                await postgres.DisposeAsync();
            }
            catch
            {
                await postgres.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>The connection string of another database of the server as the services use it, with the password.</summary>
    public string ConnectionStringFor(string database) => ConnectionStringFor(Port, database, Role, _options.RolePassword);

    /// <summary>The connection string of a database of the server as its administrator, a superuser, with the password.</summary>
    public string AdministrationConnectionStringFor(string database) => ConnectionStringFor(Port, database, Administrator, _options.Password);

    /// <summary>The connection string of a server that somebody else runs over a data folder, as its administrator.</summary>
    public static string AdministrationConnectionStringFor(int port, string password, string database) =>
        ConnectionStringFor(port, database, Administrator, password);

    /// <summary>Makes a database that belongs to the services' role and has the extensions; one that exists is brought to that state.</summary>
    public Task CreateDatabaseAsync(string database, CancellationToken cancellationToken) => PlatformDatabase.PrepareAsync(
        AdministrationConnectionStringFor, database, Role, _options.RolePassword, cancellationToken);

    /// <summary>Stops the server in order; it can be started again.</summary>
    public Task StopAsync() => _server.StopAsync();

    /// <summary>Starts the server again, on the same port.</summary>
    public Task StartAgainAsync(CancellationToken cancellationToken) => _server.StartAsync(cancellationToken);

    /// <summary>Kills the server's first process, as a crash would; it is started again after a second.</summary>
    public void Crash() => _server.Crash();

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static async Task InitialiseAsync(
        LocalPostgresOptions options, PostgresBinaries binaries, UnixUser? user, CancellationToken cancellationToken)
    {
        // Under another name until it is complete: what a kill leaves behind is not taken for a database.
        var unfinished = Path.Combine(options.Folder, "data.new");
        if (Directory.Exists(unfinished))
        {
            Directory.Delete(unfinished, recursive: true);
        }

        var passwordFile = Path.Combine(options.Folder, "initdb.password");
        PrivateFile.Write(passwordFile, options.Password);
        if (user is { } owner)
        {
            Unix.ChangeOwner(passwordFile, owner);
        }

        try
        {
            List<string> arguments =
            [
                "-D", ServerCommand.FolderHandle + "/data.new", "-U", Administrator, "--pwfile=" + ServerCommand.FolderHandle + "/initdb.password",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions",
                .. options.Durable ? (string[])["--data-checksums"] : ["--no-sync"],
            ];
            var command = new ServerCommand("initdb", options.Folder, unfinished, binaries.Folder + "/initdb", arguments, user);
            var initdb = await ServerProcess.StartAsync(command, "TERM");
            await using var cancellation = cancellationToken.Register(() => initdb.Signal(Unix.Terminate));
            var code = await initdb.Exited;
            cancellationToken.ThrowIfCancellationRequested();
            if (code != 0)
            {
                throw new LocalServerException(
                    LocalServerFault.Failed,
                    $"initdb of PostgreSQL {binaries.Major} failed (exit code {code}): see {options.Folder}/{ServerCommand.LogFile}.");
            }
        }
        finally
        {
            File.Delete(passwordFile);
        }

        await File.AppendAllTextAsync(
            Path.Combine(unfinished, "postgresql.conf"), $"\ninclude '{PostgresSettings.FileName}'\n", cancellationToken);
        Directory.Move(unfinished, Path.Combine(options.Folder, "data"));
    }

    private async Task<bool> IsReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = new NpgsqlConnection(AdministrationConnectionStringFor("postgres") + ";Pooling=false;Timeout=2");
            await connection.OpenAsync(cancellationToken);
            return true;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidPassword)
        {
            throw new LocalServerException(
                LocalServerFault.DataFolder, $"The password in {Path.GetDirectoryName(_options.Folder)} does not fit the database there.", e);
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    private static string ConnectionStringFor(int port, string database, string role, string password) => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = port,
        Username = role,
        Password = password,
        Database = database,
    }.ConnectionString;
}
