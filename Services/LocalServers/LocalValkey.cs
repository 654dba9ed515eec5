using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;

namespace RagPlatform.LocalServers;

/// <summary>How to run Valkey.</summary>
/// <param name="Folder">Its folder: <c>dump.rdb</c> is the saved cache, <c>server.log</c> what it prints.</param>
/// <param name="Password">Its password.</param>
/// <param name="Port">1 to 65,535; 0 for a free one.</param>
/// <param name="MaxMegabytes">The memory for the cached values, in megabytes. The default is 256.</param>
/// <param name="Durable">False to save nothing: tests.</param>
/// <param name="Databases">How many numbered databases it has. The default is 16.</param>
internal sealed record LocalValkeyOptions(
    string Folder, string Password, int Port = 0, int MaxMegabytes = 256, bool Durable = true, int Databases = 16);

/// <summary>
/// A Valkey server of our own: without root's rights, on the loopback interface only, with a password, evicting what was used least
/// recently, and saved every 15 minutes. It holds only what can be lost.
/// </summary>
internal sealed class LocalValkey : IAsyncDisposable
{
    private const int StartAttempts = 3;
    private const string SavedCache = "dump.rdb";

    private static readonly StopStep[] s_stopSteps = [new(Unix.Terminate, TimeSpan.FromSeconds(10))];

    private readonly SupervisedServer _server;
    private readonly LocalValkeyOptions _options;

    private LocalValkey(LocalValkeyOptions options, string program, int port, UnixUser? user, ILogger logger)
    {
        _options = options;
        Port = port;
        // On standard input, because the arguments of a process can be read by everybody.
        var configuration = $"""
            bind 127.0.0.1
            port {port}
            requirepass {options.Password}
            maxmemory {options.MaxMegabytes}mb
            maxmemory-policy allkeys-lru
            databases {options.Databases}
            save {(options.Durable ? "900 1" : "\"\"")}
            appendonly no
            dbfilename {SavedCache}
            dir {ServerCommand.FolderHandle}
            daemonize no

            """;
        var command = new ServerCommand("valkey-server", options.Folder, options.Folder, program, ["-"], user, configuration);
        _server = new SupervisedServer(
            new ServerPlan("Valkey", command, "TERM", s_stopSteps, DeleteUnfinishedSaves, IsReadyAsync), TimeProvider.System, logger);
    }

    /// <summary>Called when the server was started again after it had ended by itself: it has another process then.</summary>
    public event Action? Restarted
    {
        add => _server.Restarted += value;
        remove => _server.Restarted -= value;
    }

    /// <summary>The port on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>The id of the server's process, or null while it does not run.</summary>
    public int? ProcessId => _server.ProcessId;

    /// <summary>The connection string in the format of StackExchange.Redis, with the password.</summary>
    public string ConnectionString => $"127.0.0.1:{Port},password={_options.Password}";

    /// <summary>The program, or null when it is not installed.</summary>
    public static string? FindProgram() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Concat(["/usr/bin", "/usr/local/bin"])
            .Where(folder => folder.Length > 0)
            .Select(folder => Path.Combine(folder, "valkey-server"))
            .FirstOrDefault(File.Exists);

    /// <summary>What to say when it is not installed.</summary>
    public static LocalServerException Missing() => new(
        LocalServerFault.ServerMissing,
        "valkey-server is not installed: run eng/install-backends.sh, or name a server that exists with RAG_VALKEY.");

    /// <summary>Starts the server.</summary>
    /// <param name="program">What <see cref="FindProgram"/> found.</param>
    /// <param name="options">How to run it.</param>
    /// <param name="logger">Gets what happens to the process.</param>
    /// <param name="cancellationToken">Cancels; nothing stays running.</param>
    /// <exception cref="LocalServerException">It cannot be started; the message is one line that says what to do.</exception>
    public static async Task<LocalValkey> StartAsync(
        string program, LocalValkeyOptions options, ILogger logger, CancellationToken cancellationToken)
    {
        ServerFolder.RequireLinux("Valkey", "RAG_VALKEY");
        var user = ServerFolder.Prepare(options.Folder, "valkey", "nobody");
        options = options with { Folder = Unix.RealPath(options.Folder) };
        for (var attempt = 1; ; attempt++)
        {
            var port = options.Port == 0 ? SupervisedServer.FreePort() : options.Port;
            var valkey = new LocalValkey(options, program, port, user, logger);
            try
            {
                await valkey._server.StartAsync(cancellationToken);
                return valkey;
            }
            catch (LocalServerException) when (attempt < StartAttempts)
            {
                // A file that it cannot load is not worth a failed start: all of it can be computed again. A port may be taken meanwhile.
                await valkey.DisposeAsync();
                File.Delete(Path.Combine(options.Folder, SavedCache));
            }
            catch
            {
                await valkey.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>Stops the server in order, saving the cache; it can be started again.</summary>
    public Task StopAsync() => _server.StopAsync();

    /// <summary>Starts the server again, on the same port.</summary>
    public Task StartAgainAsync(CancellationToken cancellationToken) => _server.StartAsync(cancellationToken);

    /// <summary>Kills the server, as a crash would; it is started again after a second.</summary>
    public void Crash() => _server.Crash();

    /// <inheritdoc />
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private void DeleteUnfinishedSaves()
    {
        foreach (var file in Directory.EnumerateFiles(_options.Folder, "temp-*.rdb"))
        {
            File.Delete(file);
        }
    }

    private async Task<bool> IsReadyAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", Port, cancellationToken);
            await using var stream = client.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"AUTH {_options.Password}\r\nPING\r\n"), cancellationToken);
            using var reader = new StreamReader(stream, Encoding.ASCII);
            // While it loads a saved cache it answers -LOADING to the second.
            return await reader.ReadLineAsync(cancellationToken) == "+OK" && await reader.ReadLineAsync(cancellationToken) == "+PONG";
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return false;
        }
    }
}
