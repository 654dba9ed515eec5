using System.CommandLine;
using System.Globalization;
using Npgsql;
using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Lab.Figures;
using RagPlatform.LocalServers;
using RagPlatform.SingleNode;

namespace RagPlatform.Lab.Bench;

/// <summary><c>rag bench start</c>: how long a start takes until everything is healthy, and how quiet an installation is that nobody asks.</summary>
internal static class StartBench
{
    // What a start does once (warming up, the first canary) is over by then.
    private static readonly TimeSpan s_settle = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(20);

    private const int AppHostProcesses = 6;

    private const string LogStatementsSql = "ALTER SYSTEM SET log_statement = 'all'";
    private const string LogNothingSql = "ALTER SYSTEM RESET log_statement";
    private const string ReloadSql = "SELECT pg_reload_conf()";

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var parts = new Option<string[]>("--only")
        {
            Description = "Only these parts: single (the node), apphost (the AppHost with servers of this machine, which has to be built).",
            HelpName = "PART",
            AllowMultipleArgumentsPerToken = true,
        };
        parts.AcceptOnlyFromAmong("single", "apphost");
        return BenchCommand.Create(
            context, "start", "Measure how long a start takes, and how quiet an idle installation is.", [parts], async bench =>
            {
                var wanted = bench.Run.Parse.GetValue(parts) is { Length: > 0 } only ? only : ["single", "apphost"];
                if (wanted.Contains("single"))
                {
                    await MeasureSingleAsync(bench).ConfigureAwait(false);
                }

                if (wanted.Contains("apphost"))
                {
                    await MeasureAppHostAsync(bench).ConfigureAwait(false);
                }
            });
    }

    private static async Task MeasureSingleAsync(BenchContext bench)
    {
        await using var receiver = new OtlpReceiver();
        await receiver.StartAsync().ConfigureAwait(false);
        await using var process = new StartedProcess(
            typeof(SingleNodeApp).Assembly.Location,
            folder => ["--data", folder, "--port", "0", "--dashboard-port", "0", "--embedding-port", "0", "--worker-port", "0", "--log", "Warning"],
            new Dictionary<string, string>
            {
                ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.Address,
                ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
                ["OTEL_BSP_SCHEDULE_DELAY"] = "500",
            });
        var seconds = await process.StartAsync(bench).ConfigureAwait(false);
        bench.Progress(string.Create(CultureInfo.InvariantCulture, $"the single node was healthy after {seconds:0.0} s"));
        bench.Figures.Add("start.single_s", seconds, "s", Figure.AtMost(6));

        await Task.Delay(s_settle, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        receiver.Spans.Clear();
        var statements = await CountStatementsAsync(bench, process).ConfigureAwait(false);
        // What was made in the time is sent a moment later.
        await Task.Delay(TimeSpan.FromSeconds(1), bench.Time, bench.CancellationToken).ConfigureAwait(false);
        var roots = receiver.Spans.Where(span => span.ParentId.Length == 0).ToList();
        await RequireSpansAsync(bench, process, receiver).ConfigureAwait(false);
        bench.Progress($"idle: {statements} statements and {roots.Count} root traces in {s_idle.TotalSeconds:0} s"
            + string.Concat(roots.GroupBy(span => span.Name).OrderByDescending(group => group.Count()).Take(5).Select(group => $"; {group.Count()} × {group.Key}")));
        bench.Figures.Add("start.idle_statements_per_s", statements / s_idle.TotalSeconds, "/s", Figure.AtMost(3));
        bench.Figures.Add("start.idle_root_traces_per_min", roots.Count * 60 / s_idle.TotalSeconds, "/min", "==0");
    }

    // No trace says nothing where none would arrive.
    private static async Task RequireSpansAsync(BenchContext bench, StartedProcess process, OtlpReceiver receiver)
    {
        var client = RagClient.Create(process.State.Api, process.Files.AdminKey);
        var began = bench.Time.GetTimestamp();
        await client.CreateWorkspaceAsync(new("idle"), bench.CancellationToken).ConfigureAwait(false);
        while (receiver.Spans.IsEmpty)
        {
            if (bench.Time.GetElapsedTime(began) > s_settle)
            {
                throw new UnsoundRunException("a request makes no span that arrives");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task MeasureAppHostAsync(BenchContext bench)
    {
        var program = FindAppHost() ?? throw new CliException(
            "the AppHost is not built: ./rag bench start builds it, or dotnet build AppHost -c Release.");
        await using var process = new StartedProcess(
            program,
            folder => ["--Backends=local", $"--Data={folder}", "--Logging:LogLevel:Default=Warning"],
            new Dictionary<string, string>
            {
                ["DcpPublisher__RandomizePorts"] = "true",
                ["ASPNETCORE_URLS"] = "http://localhost:0",
                ["ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL"] = "http://localhost:0",
                ["ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL"] = "http://localhost:0",
                ["ASPIRE_ALLOW_UNSECURED_TRANSPORT"] = "true",
                ["DOTNET_ENVIRONMENT"] = "Development",
                ["ASPNETCORE_ENVIRONMENT"] = "Development",
            });
        var seconds = await process.StartAsync(bench).ConfigureAwait(false);
        bench.Progress(string.Create(CultureInfo.InvariantCulture, $"the AppHost's services were healthy after {seconds:0.0} s"));
        bench.Figures.Add("start.apphost_local_s", seconds, "s", Figure.AtMost(15));

        await Task.Delay(s_settle, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        var statements = await CountStatementsAsync(bench, process).ConfigureAwait(false);
        bench.Progress($"idle: {statements} statements of {AppHostProcesses} processes in {s_idle.TotalSeconds:0} s");
        bench.Figures.Add("start.apphost_idle_statements_per_s", statements / s_idle.TotalSeconds / AppHostProcesses, "/s", Figure.AtMost(3));
    }

    /// <summary>The statements that the server got in <see cref="s_idle"/>, by its own log.</summary>
    private static async Task<int> CountStatementsAsync(BenchContext bench, StartedProcess process)
    {
        var administrator = LocalPostgres.AdministrationConnectionStringFor(
            process.State.Postgres!.Port, process.Files.PostgresPassword, LocalPostgres.Database) + ";Pooling=false";
        await ExecuteAsync(administrator, [LogStatementsSql, ReloadSql], bench.CancellationToken).ConfigureAwait(false);
        // The sessions read their settings between statements.
        await Task.Delay(TimeSpan.FromSeconds(1), bench.Time, bench.CancellationToken).ConfigureAwait(false);
        var log = Path.Combine(process.Files.Postgres, "server.log");
        var before = CountStatements(log);
        await Task.Delay(s_idle, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        var after = CountStatements(log);
        await ExecuteAsync(administrator, [LogNothingSql, ReloadSql], bench.CancellationToken).ConfigureAwait(false);
        return after - before;
    }

    private static int CountStatements(string log)
    {
        using var stream = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        var count = 0;
        while (reader.ReadLine() is { } line)
        {
            if (line.Contains("LOG:  execute ", StringComparison.Ordinal) || line.Contains("LOG:  statement: ", StringComparison.Ordinal))
            {
                count++;
            }
        }

        return count;
    }

    private static async Task ExecuteAsync(string connectionString, string[] statements, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        foreach (var statement in statements)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static string? FindAppHost()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var program = Path.Combine(folder.FullName, "AppHost/bin/Release/net10.0/RagPlatform.AppHost.dll");
            if (File.Exists(program))
            {
                return program;
            }
        }

        return null;
    }
}
