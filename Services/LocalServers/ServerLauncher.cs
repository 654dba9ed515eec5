using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace RagPlatform.LocalServers;

/// <summary>
/// One server as a process that can be started, stopped and read like any other: SIGTERM and SIGINT stop the server in order, what it
/// logs is printed, and it does not outlive the process that wanted it.
/// </summary>
internal static class ServerLauncher
{
    private const string Help = """
        Runs PostgreSQL or Valkey of this machine over a data folder until a signal comes.

          dotnet RagPlatform.LocalServers.dll postgres|valkey [options]

          --data DIR       the platform's data folder; the server has its own folder and password in it
          --port N         the port on 127.0.0.1
          --owner PID      stop when this process is gone
          --memory N       megabytes for the values in Valkey (default 256)
          --durable BOOL   false trades safety after a crash of the machine for speed (default true)

        Exit codes: 0 stopped when asked to, 1 failed, 2 wrong option.
        """;

    private const int Failed = 1;
    private const int WrongOption = 2;

    private static readonly TimeSpan s_ownerInterval = TimeSpan.FromSeconds(1);

    /// <summary>Runs a server until a signal comes or its owner is gone.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        if (Parse(args) is not { } options)
        {
            await Console.Error.WriteLineAsync(Help);
            return WrongOption;
        }

        using var stop = new CancellationTokenSource();
        void Stop(PosixSignalContext context)
        {
            // The process ends when the server has stopped in order, not with the signal.
            context.Cancel = true;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        var files = new DataFolderFiles(options.Data);
        await using var log = new LogRelay(
            Path.Combine(options.IsPostgres ? files.Postgres : files.Valkey, ServerCommand.LogFile), Console.Out);
        try
        {
            if (options.IsPostgres)
            {
                File.Delete(files.PostgresReady);
            }

            await using var server = options.IsPostgres
                ? await StartPostgresAsync(files, options, stop.Token)
                : await StartValkeyAsync(files, options, stop.Token);
            if (options.IsPostgres)
            {
                await File.WriteAllTextAsync(files.PostgresReady, $"{options.Port}\n", stop.Token);
            }

            await WaitAsync(options.Owner, stop.Token);
            return 0;
        }
        catch (LocalServerException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return Failed;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return 0;
        }
        finally
        {
            if (options.IsPostgres)
            {
                File.Delete(files.PostgresReady);
            }
        }
    }

    private static async Task<IAsyncDisposable> StartPostgresAsync(
        DataFolderFiles files, LauncherOptions options, CancellationToken cancellationToken) =>
        await LocalPostgres.StartAsync(
            new LocalPostgresOptions(files.Postgres, files.PostgresPassword, files.RolePassword, options.Port, options.Durable),
            new ConsoleLog(),
            cancellationToken);

    private static async Task<IAsyncDisposable> StartValkeyAsync(
        DataFolderFiles files, LauncherOptions options, CancellationToken cancellationToken)
    {
        var program = LocalValkey.FindProgram() ?? throw LocalValkey.Missing();
        return await LocalValkey.StartAsync(
            program,
            new LocalValkeyOptions(files.Valkey, files.ValkeyPassword, options.Port, options.Memory, options.Durable),
            new ConsoleLog(),
            cancellationToken);
    }

    private static async Task WaitAsync(int? owner, CancellationToken stop)
    {
        var born = owner is { } id ? StartOf(id) : null;
        using var timer = new PeriodicTimer(s_ownerInterval);
        try
        {
            // The number of a process that is gone can be given to another one, which was started later.
            while (await timer.WaitForNextTickAsync(stop))
            {
                if (owner is { } process && StartOf(process) != born)
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Asked to stop.
        }
    }

    private static DateTime? StartOf(int process)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            return found.StartTime;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return null;
        }
    }

    private static LauncherOptions? Parse(string[] args)
    {
        if (args is not ["postgres" or "valkey", ..] || args.Length % 2 == 0)
        {
            return null;
        }

        var options = new LauncherOptions(args[0] == "postgres");
        for (var i = 1; i < args.Length; i += 2)
        {
            var value = args[i + 1];
            var number = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : (int?)null;
            LauncherOptions? next = args[i] switch
            {
                "--data" => options with { Data = Path.GetFullPath(value) },
                "--port" when number is > 0 and <= 65_535 => options with { Port = number.Value },
                "--owner" when number is > 0 => options with { Owner = number },
                "--memory" when number is > 0 and <= 65_536 => options with { Memory = number.Value },
                "--durable" when bool.TryParse(value, out var durable) => options with { Durable = durable },
                _ => null,
            };
            if (next is null)
            {
                return null;
            }

            options = next;
        }

        return options is { Data.Length: > 0, Port: > 0 } ? options : null;
    }

    private sealed record LauncherOptions(
        bool IsPostgres, string Data = "", int Port = 0, int? Owner = null, int Memory = 256, bool Durable = true);

    /// <summary>What happens to the process, a line each.</summary>
    private sealed class ConsoleLog : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            (logLevel >= LogLevel.Warning ? Console.Error : Console.Out).WriteLine(formatter(state, exception));
    }
}
