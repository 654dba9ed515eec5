using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.Dashboard;
using RagPlatform.EmbeddingService;
using RagPlatform.IndexingWorker;
using RagPlatform.LocalServers;
using RagPlatform.SearchApi;
using RagPlatform.ServiceDefaults;
using RagPlatform.Storage;

namespace RagPlatform.SingleNode;

/// <summary>
/// The whole platform in one process: the services as they are, over a PostgreSQL and a Valkey that are started with it. For one
/// machine, for tests, and for measuring; the AppHost does the same with a process for each service.
/// </summary>
public sealed partial class SingleNodeApp : IAsyncDisposable
{
    private static readonly TimeSpan s_stopTimeout = TimeSpan.FromSeconds(20);

    private readonly SingleNodeOptions _options;
    private readonly DataFolder _folder;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly List<WebApplication> _services = [];
    private readonly Dictionary<string, string?> _settings = [];
    private readonly Lock _state = new();
    private DateTimeOffset _readyAt;
    private bool _ready;
    private bool _disposed;

    private SingleNodeApp(SingleNodeOptions options, DataFolder folder)
    {
        _options = options;
        _folder = folder;
        _loggers = LoggerFactory.Create(ConfigureLogging);
        _logger = _loggers.CreateLogger<SingleNodeApp>();
        AdminKey = folder.Files.AdminKey;
    }

    /// <summary>The key that opens everything.</summary>
    public string AdminKey { get; }

    /// <summary>The file that has <see cref="AdminKey"/>; only its owner may read it.</summary>
    public string AdminKeyFile => _folder.Files.AdminKeyFile;

    /// <summary>The folder that everything is kept in.</summary>
    public string DataFolder => _folder.Files.Folder;

    /// <summary>The embedding service.</summary>
    public WebApplication EmbeddingService => _services[0];

    /// <summary>The indexing worker.</summary>
    public WebApplication IndexingWorker => _services[1];

    /// <summary>The search API.</summary>
    public WebApplication SearchApi => _services[2];

    /// <summary>The dashboard.</summary>
    public WebApplication Dashboard => _services[3];

    /// <summary>Where the embedding service answers.</summary>
    public Uri EmbeddingAddress => AddressOf(EmbeddingService);

    /// <summary>Where the indexing worker answers.</summary>
    public Uri WorkerAddress => AddressOf(IndexingWorker);

    /// <summary>Where the search API answers.</summary>
    public Uri ApiAddress => AddressOf(SearchApi);

    /// <summary>Where the dashboard answers.</summary>
    public Uri DashboardAddress => AddressOf(Dashboard);

    /// <summary>The connection string of the database, with its password.</summary>
    public string PostgresConnectionString => _settings["ConnectionStrings:ragdb"]!;

    /// <summary>The same as a superuser, where the node started the server: what no service may do is planted so.</summary>
    public string PostgresAdministrationConnectionString =>
        Postgres?.AdministrationConnectionStringFor(LocalPostgres.Database) ?? PostgresConnectionString;

    /// <summary>The connection string of Valkey, with its password; null without Valkey.</summary>
    public string? ValkeyConnectionString => _settings.GetValueOrDefault("ConnectionStrings:cache");

    /// <summary>The PostgreSQL that was started; null when one was there.</summary>
    internal LocalPostgres? Postgres { get; private set; }

    /// <summary>The Valkey that was started; null when one was there, or there is none.</summary>
    internal LocalValkey? Valkey { get; private set; }

    /// <summary>Starts everything, and returns when every service is healthy.</summary>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Cancels; nothing stays running.</param>
    /// <exception cref="SingleNodeException">It cannot be started; the message is one line that says what to do.</exception>
    public static async Task<SingleNodeApp> StartAsync(SingleNodeOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        // Before anything is started: an occupied port is the most frequent reason, and the cheapest to find.
        var listen = IPAddress.TryParse(options.Listen, out var address) ? address : throw new SingleNodeException(
            SingleNodeExit.WrongOption, $"'{options.Listen}' is no IP address to listen on: see --listen.");
        RequireFree(listen, options.ApiPort, "--port", "the API");
        RequireFree(listen, options.DashboardPort, "--dashboard-port", "the dashboard");
        RequireFree(listen, options.EmbeddingPort, "--embedding-port", "the embedding service");
        RequireFree(listen, options.WorkerPort, "--worker-port", "the indexing worker");

        SingleNodeApp? node = null;
        try
        {
            node = new SingleNodeApp(options, LocalServers.DataFolder.Open(options.DataFolder));
            await node.StartServersAsync(cancellationToken);
            await node.StartServicesAsync(cancellationToken);
            await node.WaitUntilHealthyAsync(cancellationToken);
            node.KeepState();
            return node;
        }
        catch (Exception e)
        {
            await (node?.DisposeAsync() ?? ValueTask.CompletedTask);
            if (e is LocalServerException server)
            {
                throw new SingleNodeException(ExitFor(server.Fault), server.Message, server);
            }

            throw;
        }
    }

    /// <summary>Stops the services, then the servers that were started, and deletes a temporary data folder.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        lock (_state)
        {
            _ready = false;
            _folder.RemoveState();
        }

        foreach (var service in Enumerable.Reverse(_services))
        {
            await StopAsync(service);
        }

        await (Valkey?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (Postgres?.DisposeAsync() ?? ValueTask.CompletedTask);
        _folder.Dispose();
        _loggers.Dispose();
    }

    private static SingleNodeExit ExitFor(LocalServerFault fault) => fault switch
    {
        LocalServerFault.DataFolder => SingleNodeExit.DataFolder,
        LocalServerFault.ServerMissing => SingleNodeExit.ServerMissing,
        _ => SingleNodeExit.Failed,
    };

    private static Uri AddressOf(WebApplication service)
    {
        var bound = new Uri(service.Urls.First());
        // 0.0.0.0 can be listened on, not called.
        return bound.Host is "0.0.0.0" or "[::]"
            ? new UriBuilder(bound) { Host = "127.0.0.1" }.Uri
            : bound;
    }

    private static void RequireFree(IPAddress listen, int port, string option, string service)
    {
        if (port == 0)
        {
            return;
        }

        try
        {
            using var listener = new TcpListener(listen, port);
            listener.Start();
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new SingleNodeException(
                SingleNodeExit.PortOccupied,
                $"Port {port} for {service} is occupied: stop what listens there, or choose another with {option}.",
                e);
        }
        catch (SocketException e)
        {
            throw new SingleNodeException(
                SingleNodeExit.WrongOption, $"Cannot listen on {listen}, port {port}, for {service}: {e.Message}. See --listen and {option}.", e);
        }
    }

    private async Task StartServersAsync(CancellationToken cancellationToken)
    {
        _settings["Auth:AdminKeyFile"] = AdminKeyFile;
        _settings["Dashboard:KeysFolder"] = _folder.Files.DashboardKeys;
        // One of the environment would win over the file.
        _settings["Auth:AdminKey"] = "";
        var postgres = StartPostgresAsync(cancellationToken);
        var valkey = StartValkeyAsync(cancellationToken);
        await Task.WhenAll(postgres, valkey);
    }

    private async Task StartPostgresAsync(CancellationToken cancellationToken)
    {
        if (_options.Postgres is { Length: > 0 } existing)
        {
            _settings["ConnectionStrings:ragdb"] = existing;
        }
        else
        {
            var files = _folder.Files;
            Postgres = await LocalPostgres.StartAsync(
                new LocalPostgresOptions(files.Postgres, files.PostgresPassword, files.RolePassword, Durable: _options.Durable),
                _logger,
                cancellationToken);
            _settings["ConnectionStrings:ragdb"] = Postgres.ConnectionString;

            // Nothing stands between: see SearchOptions.PreparedStatements.
            _settings["Search:PreparedStatements"] = "100";
        }

        await MigrateAsync(cancellationToken);
    }

    // The services do it too, and would wait for ever for a database that is wrong or away. Here it is said at once, in one line.
    private async Task MigrateAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var dataSource = NpgsqlDataSource.Create(PostgresConnectionString);
            await SchemaMigrator.MigrateAsync(dataSource, SchemaFile.All, cancellationToken);
        }
        catch (SchemaMismatchException e)
        {
            throw new SingleNodeException(SingleNodeExit.DataFolder, $"{e.Message} Or choose another data folder (--data).", e);
        }
        catch (Exception e) when (_options.Postgres is { Length: > 0 } && e is NpgsqlException or ArgumentException or FormatException)
        {
            throw new SingleNodeException(
                SingleNodeExit.Failed, $"The database that RAG_POSTGRES or --postgres names cannot be used: {e.Message}", e);
        }
    }

    private async Task StartValkeyAsync(CancellationToken cancellationToken)
    {
        if (!_options.UseValkey)
        {
            return;
        }

        if (_options.Valkey is { Length: > 0 } existing)
        {
            _settings["ConnectionStrings:cache"] = existing;
            return;
        }

        if (LocalValkey.FindProgram() is not { } program)
        {
            LogWithoutValkey();
            return;
        }

        var files = _folder.Files;
        var options = new LocalValkeyOptions(
            files.Valkey, files.ValkeyPassword, MaxMegabytes: _options.ValkeyMegabytes, Durable: _options.Durable);
        Valkey = await LocalValkey.StartAsync(program, options, _logger, cancellationToken);
        _settings["ConnectionStrings:cache"] = Valkey.ConnectionString;
    }

    // Each needs the addresses of those before it, never of those after it.
    private async Task StartServicesAsync(CancellationToken cancellationToken)
    {
        await StartServiceAsync("embedding-service", EmbeddingServiceApp.Build, _options.EmbeddingPort, cancellationToken);
        await StartServiceAsync("indexing-worker", IndexingWorkerApp.Build, _options.WorkerPort, cancellationToken);
        await StartServiceAsync("search-api", SearchApiApp.Build, _options.ApiPort, cancellationToken);
        await StartServiceAsync("dashboard", DashboardApp.Build, _options.DashboardPort, cancellationToken);
    }

    private async Task StartServiceAsync(
        string name, Func<string[], Action<WebApplicationBuilder>?, WebApplication> build, int port, CancellationToken cancellationToken)
    {
        var assembly = build.Method.Module.Assembly.GetName().Name!;
        // As in its own process: the name decides which static files, OpenAPI document and telemetry resource it has.
        string[] args = [$"--applicationName={assembly}", "--hostBuilder:reloadConfigOnChange=false"];
        try
        {
            var service = build(args, builder => Configure(builder, assembly, port));
            _services.Add(service);
            // The host validates as well, but logs the stack before it throws.
            service.Services.GetService<IStartupValidator>()?.Validate();
            await service.StartAsync(cancellationToken);
            _settings[$"services:{name}:http:0"] = AddressOf(service).ToString();
        }
        catch (Exception e) when (ServiceRunner.Explain(e) is { } line)
        {
            throw new SingleNodeException(SingleNodeExit.Failed, $"{name} cannot start: {line}", e);
        }
    }

    private void Configure(WebApplicationBuilder builder, string assembly, int port)
    {
        ConfigureLogging(builder.Logging);
        // First, so that files and the environment win over it; the settings of the node itself win over everything.
        builder.Configuration.Sources.Insert(0, new MemoryConfigurationSource { InitialData = LogLevels() });
        builder.Configuration.AddInMemoryCollection(_settings);
        // One of them sends the spans of the process.
        builder.Configuration.AddInMemoryCollection([new("Telemetry:ExportTraces", _services.Count == 0 ? "true" : "false")]);
        builder.Configuration.AddInMemoryCollection(_options.Settings);
        builder.WebHost.UseUrls($"http://{new IPEndPoint(IPAddress.Parse(_options.Listen), port)}");
        // Beside the data, not in the home folder, where they would outlive it.
        builder.Services.AddDataProtection().PersistKeysToFileSystem(new DirectoryInfo(_folder.Files.DataProtection));
        // The node decides when a service stops: not each of the four by itself when a signal comes.
        builder.Services.AddSingleton<IHostLifetime, NodeLifetime>();
        _options.Configure?.Invoke(assembly, builder);
    }

    private Dictionary<string, string?> LogLevels() => new()
    {
        ["Logging:LogLevel:Default"] = _options.LogLevel.ToString(),
        ["Logging:LogLevel:Microsoft"] = nameof(LogLevel.Warning),
        ["Logging:LogLevel:System"] = nameof(LogLevel.Warning),
        // It warns that keys in files are not encrypted; the folder is its owner's only.
        ["Logging:LogLevel:Microsoft.AspNetCore.DataProtection"] = nameof(LogLevel.Error),
        ["Logging:LogLevel:Npgsql"] = nameof(LogLevel.Warning),
        ["Logging:LogLevel:Polly"] = nameof(LogLevel.Error),
    };

    private void ConfigureLogging(ILoggingBuilder logging)
    {
        // On standard error: standard output belongs to the figures and results of whoever runs a node inside.
        logging.ClearProviders();
        logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "HH:mm:ss ";
            console.UseUtcTimestamp = false;
        });
        logging.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(
            console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        logging.SetMinimumLevel(_options.LogLevel);
    }

    private async Task WaitUntilHealthyAsync(CancellationToken cancellationToken)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(_options.StartTimeout);
        foreach (var service in _services)
        {
            var answer = "it does not answer";
            try
            {
                while (true)
                {
                    using var response = await http.GetAsync(new Uri(AddressOf(service), "health"), timeout.Token);
                    if (response.IsSuccessStatusCode)
                    {
                        break;
                    }

                    answer = $"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync(timeout.Token)}";
                    await Task.Delay(TimeSpan.FromMilliseconds(50), timeout.Token);
                }
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new SingleNodeException(
                    SingleNodeExit.Failed,
                    $"{service.Environment.ApplicationName} is not healthy after {_options.StartTimeout.TotalSeconds:0} s: {answer}");
            }
        }
    }

    private async Task StopAsync(WebApplication service)
    {
        try
        {
            using var timeout = new CancellationTokenSource(s_stopTimeout);
            await service.StopAsync(timeout.Token);
        }
        catch (Exception e)
        {
            LogStopFailed(service.Environment.ApplicationName, e.Message);
        }

        await service.DisposeAsync();
    }

    // A server that ended and was started again is another process.
    private void KeepState()
    {
        lock (_state)
        {
            (_ready, _readyAt) = (true, TimeProvider.System.GetUtcNow());
        }

        WriteState();
        if (Postgres is not null)
        {
            Postgres.Restarted += WriteState;
        }

        if (Valkey is not null)
        {
            Valkey.Restarted += WriteState;
        }
    }

    private void WriteState()
    {
        lock (_state)
        {
            if (_ready)
            {
                _folder.WriteState(State);
            }
        }
    }

    /// <summary>What <c>node.json</c> says.</summary>
    internal NodeState State => new(
        Environment.ProcessId,
        _readyAt,
        ApiAddress,
        DashboardAddress,
        EmbeddingAddress,
        WorkerAddress,
        AdminKeyFile,
        Postgres is { } postgres ? new ServerState(postgres.Port, postgres.ProcessId) : null,
        Valkey is { } valkey ? new ServerState(valkey.Port, valkey.ProcessId) : null);

    [LoggerMessage(1, LogLevel.Warning,
        "Valkey is not installed (eng/install-backends.sh does it): running without a shared cache, which is only slower.")]
    private partial void LogWithoutValkey();

    [LoggerMessage(2, LogLevel.Warning, "{Service} did not stop in order: {Reason}")]
    private partial void LogStopFailed(string service, string reason);

    private sealed class NodeLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
