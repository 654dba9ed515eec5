using System.Diagnostics;
using System.Net.Sockets;
using System.Net;
using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Search;

/// <summary>A PgBouncer in transaction mode, with fewer connections than callers, in front of a test's database.</summary>
internal sealed class PgBouncer : IAsyncDisposable
{
    private readonly Process _process;
    private readonly DirectoryInfo _folder;

    private PgBouncer(Process process, DirectoryInfo folder, string connectionString)
    {
        _process = process;
        _folder = folder;
        ConnectionString = connectionString;
    }

    public string ConnectionString { get; }

    public static string? FindProgram() => new[] { "/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer" }.FirstOrDefault(File.Exists);

    public static async Task<PgBouncer> StartAsync(string program, string connectionString, CancellationToken cancellationToken)
    {
        var server = new NpgsqlConnectionStringBuilder(connectionString);
        var folder = Directory.CreateTempSubdirectory("rag-pgbouncer-");
        int port;
        using (var probe = new TcpListener(IPAddress.Loopback, 0))
        {
            probe.Start();
            port = ((IPEndPoint)probe.LocalEndpoint).Port;
        }

        var users = Path.Combine(folder.FullName, "users.txt");
        var settings = Path.Combine(folder.FullName, "pgbouncer.ini");
        await File.WriteAllTextAsync(users, $"\"{server.Username}\" \"{server.Password}\"\n", cancellationToken);
        await File.WriteAllTextAsync(
            settings,
            $"""
            [databases]
            {server.Database} = host={server.Host} port={server.Port} dbname={server.Database} user={server.Username} password={server.Password}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = plain
            auth_file = {users}
            pool_mode = transaction
            default_pool_size = 3
            max_client_conn = 100
            ignore_startup_parameters = extra_float_digits
            query_wait_timeout = 2
            server_login_retry = 1
            logfile = {Path.Combine(folder.FullName, "log")}
            """,
            cancellationToken);

        // It refuses to run as root; another user must be able to read what it needs.
        var start = new ProcessStartInfo(program) { RedirectStandardError = true, RedirectStandardOutput = true };
        if (!OperatingSystem.IsWindows() && Environment.UserName == "root")
        {
            File.SetUnixFileMode(folder.FullName, (UnixFileMode)0b111_111_111);
            start = new ProcessStartInfo("setpriv") { RedirectStandardError = true, RedirectStandardOutput = true };
            foreach (var argument in new[] { "--reuid=nobody", "--regid=nogroup", "--clear-groups", program })
            {
                start.ArgumentList.Add(argument);
            }
        }

        start.ArgumentList.Add(settings);
        var process = Process.Start(start)!;
        process.OutputDataReceived += static (_, _) => { };
        process.ErrorDataReceived += static (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var through = new NpgsqlConnectionStringBuilder(connectionString) { Host = "127.0.0.1", Port = port, NoResetOnClose = true };
        var bouncer = new PgBouncer(process, folder, through.ConnectionString);
        await bouncer.WaitAsync(cancellationToken);
        return bouncer;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        await using var dataSource = StorageDataSource.Create(ConnectionString);
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
                return;
            }
            catch (NpgsqlException) when (attempt < 100 && !_process.HasExited)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken);
            }
        }
    }
}
