using System.Globalization;
using System.Runtime.InteropServices;

namespace RagPlatform.SingleNode;

/// <summary>The command line of the single node: options, signals, and the exit code.</summary>
internal static class SingleNodeCommand
{
    private const string Help = """
        The whole platform in one process, over a PostgreSQL and a Valkey that it starts in its data folder.

          dotnet run --project Services/SingleNode -- [options]

          --data DIR             everything is kept here                  (RAG_DATA, default .data)
          --temporary            keep everything in a temporary folder and delete it at the end
          --listen ADDRESS       127.0.0.1 is this machine only           (RAG_LISTEN, default 127.0.0.1)
          --port N               the search API, 0 for a free port        (RAG_PORT, default 5080)
          --dashboard-port N     the dashboard                            (default 5081)
          --embedding-port N     the embedding service                    (default 5082)
          --worker-port N        the indexing worker                      (default 5083)
          --postgres STRING      a database that exists, Npgsql's format  (RAG_POSTGRES)
          --valkey STRING        a Valkey that exists, host:port,password=... (RAG_VALKEY)
          --no-valkey            without a shared cache
          --valkey-memory N      megabytes for the started Valkey         (default 256)
          --log LEVEL            Debug, Information, Warning, Error       (default Information)
          --Section:Key=VALUE    any setting of the services

        Exit codes: 0 stopped when asked to (SIGINT, SIGTERM), 1 failed, 2 wrong option, 3 data folder cannot be used,
        4 a port is occupied, 5 PostgreSQL is not installed.
        """;

    /// <summary>Runs the node until a signal comes.</summary>
    /// <returns>One of <see cref="SingleNodeExit"/>.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Any(arg => arg is "-h" or "--help"))
        {
            await Console.Out.WriteLineAsync(Help);
            return 0;
        }

        using var stop = new CancellationTokenSource();
        void Stop(PosixSignalContext context)
        {
            // The process ends when everything is stopped in order, not with the signal.
            context.Cancel = true;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        try
        {
            await using var node = await SingleNodeApp.StartAsync(Parse(args, Environment.GetEnvironmentVariable), stop.Token);
            await Console.Out.WriteLineAsync(node.State.Describe());
            await Task.Delay(Timeout.Infinite, stop.Token).ContinueWith(_ => { }, TaskScheduler.Default);
            return (int)SingleNodeExit.Stopped;
        }
        catch (SingleNodeException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return (int)e.Exit;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return (int)SingleNodeExit.Stopped;
        }
    }

    /// <summary>Reads options; an option wins over its environment variable.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="environment">The value of an environment variable, or null.</param>
    /// <exception cref="SingleNodeException">An option is unknown, or its value is wrong.</exception>
    internal static SingleNodeOptions Parse(string[] args, Func<string, string?> environment)
    {
        var settings = new Dictionary<string, string?>();
        var options = new SingleNodeOptions
        {
            DataFolder = Given(environment("RAG_DATA")) ?? ".data",
            Listen = Given(environment("RAG_LISTEN")) ?? "127.0.0.1",
            ApiPort = Given(environment("RAG_PORT")) is { } value ? Port("RAG_PORT", value) : 5080,
            DashboardPort = 5081,
            EmbeddingPort = 5082,
            WorkerPort = 5083,
            Postgres = Given(environment("RAG_POSTGRES")),
            Valkey = Given(environment("RAG_VALKEY")),
            LogLevel = LogLevel.Information,
            Settings = settings,
        };
        for (var i = 0; i < args.Length; i++)
        {
            // Both --name value and --name=value.
            var (name, inline) = args[i].Split('=', 2) is [var before, var after] ? (before, after) : (args[i], null);
            string Value() => inline ?? (++i < args.Length ? args[i] : throw Wrong($"{name} needs a value."));
            switch (name)
            {
                case "--data": options = options with { DataFolder = Value() }; break;
                case "--temporary": options = options with { DataFolder = null }; break;
                case "--listen": options = options with { Listen = Value() }; break;
                case "--port": options = options with { ApiPort = Port(name, Value()) }; break;
                case "--dashboard-port": options = options with { DashboardPort = Port(name, Value()) }; break;
                case "--embedding-port": options = options with { EmbeddingPort = Port(name, Value()) }; break;
                case "--worker-port": options = options with { WorkerPort = Port(name, Value()) }; break;
                case "--postgres": options = options with { Postgres = Value() }; break;
                case "--valkey": options = options with { Valkey = Value() }; break;
                case "--no-valkey": options = options with { UseValkey = false }; break;
                case "--valkey-memory": options = options with { ValkeyMegabytes = Number(name, Value(), 1, 65_536) }; break;
                case "--log":
                    options = options with
                    {
                        LogLevel = Enum.TryParse<LogLevel>(Value(), ignoreCase: true, out var level)
                            ? level
                            : throw Wrong("--log takes Debug, Information, Warning or Error."),
                    };
                    break;
                default:
                    if (inline is null || !name.StartsWith("--", StringComparison.Ordinal) || !name.Contains(':', StringComparison.Ordinal))
                    {
                        throw Wrong($"There is no option {args[i]}.");
                    }

                    settings[name[2..]] = inline;
                    break;
            }
        }

        return options;
    }

    private static string? Given(string? value) => string.IsNullOrWhiteSpace(value) ? null : value;

    private static int Port(string name, string value) => Number(name, value, 0, 65_535);

    private static int Number(string name, string value, int least, int most) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw Wrong($"{name} takes a number from {least} to {most}.");

    private static SingleNodeException Wrong(string message) => new(SingleNodeExit.WrongOption, message + " See --help.");
}
