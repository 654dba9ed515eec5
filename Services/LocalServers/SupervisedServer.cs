using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace RagPlatform.LocalServers;

/// <summary>One signal, and how long to wait for its effect.</summary>
internal readonly record struct StopStep(int Signal, TimeSpan Patience);

/// <summary>How to run one server.</summary>
/// <param name="Name">For people: PostgreSQL, Valkey.</param>
/// <param name="Command">What to run.</param>
/// <param name="OnHostDeath">The signal that the kernel sends when the host dies.</param>
/// <param name="StopSteps">How to stop it, gentlest first; SIGKILL follows.</param>
/// <param name="BeforeStart">Runs before every start, when no process of the server is alive.</param>
/// <param name="IsReadyAsync">Does it answer?</param>
internal sealed record ServerPlan(
    string Name,
    ServerCommand Command,
    string OnHostDeath,
    IReadOnlyList<StopStep> StopSteps,
    Action BeforeStart,
    Func<CancellationToken, Task<bool>> IsReadyAsync);

/// <summary>A server process that is started again, on the same port, when it ends without having been asked to.</summary>
internal sealed partial class SupervisedServer(ServerPlan plan, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan s_shortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(30);

    private CancellationTokenSource _run = new();
    private ServerProcess? _process;
    private Task _watch = Task.CompletedTask;

    /// <summary>Called when the server was started again after it had ended by itself.</summary>
    public event Action? Restarted;

    /// <summary>The id of the running process, or null.</summary>
    public int? ProcessId => _process is { Exited.IsCompleted: false } process ? process.Id : null;

    /// <summary>A port of the loopback interface that is free now.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Starts the server, returns when it answers, and watches it from then on.</summary>
    /// <exception cref="LocalServerException">It ended instead; the message has the last line of its log.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _run.Dispose();
        _run = new CancellationTokenSource();
        try
        {
            await StartProcessAsync(cancellationToken);
        }
        catch
        {
            await StopAsync();
            throw;
        }

        _watch = WatchAsync(_run.Token);
    }

    /// <summary>Stops the server; it can be started again.</summary>
    public async Task StopAsync()
    {
        await _run.CancelAsync();
        await StopProcessAsync();
        await _watch;
        // The watch may have been starting a new process.
        await StopProcessAsync();
    }

    /// <summary>Kills the process, as a crash would. It is started again unless <see cref="StopAsync"/> is called.</summary>
    public void Crash() => _process?.Signal(Unix.Kill);

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _run.Dispose();
    }

    private async Task StartProcessAsync(CancellationToken cancellationToken)
    {
        await StopLeftoversAsync(cancellationToken);
        plan.BeforeStart();
        var process = await ServerProcess.StartAsync(plan.Command, plan.OnHostDeath);
        _process = process;
        // A crash recovery may take minutes; as long as the process lives, it is working on it.
        while (!await plan.IsReadyAsync(cancellationToken))
        {
            if (await EndedAsync(process, s_pollInterval))
            {
                throw new LocalServerException(
                    LocalServerFault.Failed, $"{plan.Name} ended while it started (exit code {await process.Exited}): {LastLogLine()}");
            }

            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private async Task StopProcessAsync()
    {
        if (_process is not { Exited.IsCompleted: false } process)
        {
            return;
        }

        foreach (var (signal, patience) in plan.StopSteps)
        {
            process.Signal(signal);
            if (await EndedAsync(process, patience))
            {
                return;
            }
        }

        process.Signal(Unix.Kill);
        await process.Exited;
    }

    // What an earlier host left behind when it was killed. They are ours: they work in the folder whose lock this host holds.
    private async Task StopLeftoversAsync(CancellationToken cancellationToken)
    {
        foreach (var (signal, patience) in plan.StopSteps.Append(new StopStep(Unix.Kill, TimeSpan.FromSeconds(10))))
        {
            var leftovers = FindLeftovers();
            if (leftovers.Count == 0)
            {
                return;
            }

            LogLeftovers(plan.Name, leftovers.Count, leftovers.Min());
            foreach (var id in leftovers)
            {
                Unix.Send(id, signal);
            }

            var since = time.GetTimestamp();
            while (FindLeftovers().Count > 0 && time.GetElapsedTime(since) < patience)
            {
                await Task.Delay(s_pollInterval, time, cancellationToken);
            }
        }

        if (FindLeftovers().Count > 0)
        {
            throw new LocalServerException(
                LocalServerFault.DataFolder,
                $"{plan.Name} process {FindLeftovers()[0]} still works in {plan.Command.WorkingFolder} and does not end: stop it.");
        }
    }

    private IReadOnlyList<int> FindLeftovers() => ServerProcess.FindIn(plan.Command.Name, plan.Command.WorkingFolder);

    private async Task WatchAsync(CancellationToken stopping)
    {
        var pause = s_shortestPause;
        while (true)
        {
            var code = await _process!.Exited;
            if (stopping.IsCancellationRequested)
            {
                return;
            }

            LogEnded(plan.Name, code, pause.TotalSeconds);
            try
            {
                await Task.Delay(pause, time, stopping);
                pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
                await StartProcessAsync(stopping);
                pause = s_shortestPause;
                LogRestarted(plan.Name);
                Restarted?.Invoke();
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e)
            {
                LogRestartFailed(plan.Name, e.Message);
            }

            if (stopping.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private async Task<bool> EndedAsync(ServerProcess process, TimeSpan patience)
    {
        try
        {
            await process.Exited.WaitAsync(patience, time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private string LastLogLine()
    {
        var log = Path.Combine(plan.Command.Folder, ServerCommand.LogFile);
        var lines = File.Exists(log) ? File.ReadAllLines(log) : [];
        var line = lines.LastOrDefault(l => l.Contains("FATAL", StringComparison.Ordinal)) ?? lines.LastOrDefault(l => l.Length > 0);
        return $"{line ?? "it printed nothing"} (log: {log})";
    }

    [LoggerMessage(1, LogLevel.Warning, "{Server} ended unexpectedly (exit code {ExitCode}); starting it again in {DelaySeconds} s.")]
    private partial void LogEnded(string server, int exitCode, double delaySeconds);

    [LoggerMessage(2, LogLevel.Warning, "{Server} is back.")]
    private partial void LogRestarted(string server);

    [LoggerMessage(3, LogLevel.Error, "{Server} does not start: {Reason}")]
    private partial void LogRestartFailed(string server, string reason);

    [LoggerMessage(4, LogLevel.Warning,
        "{Server} was left running by a host that was killed ({Count} processes, the first is {ProcessId}); stopping it first.")]
    private partial void LogLeftovers(string server, int count, int processId);
}
