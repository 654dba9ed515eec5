using System.Diagnostics;

namespace RagPlatform.Lab.Drill;

/// <summary>A <see cref="DrillWorker"/> as the drill sees it. One that was killed is started again.</summary>
/// <param name="variables">Its configuration.</param>
/// <param name="onHit">Called when it has stopped at a failpoint: says whether it may go on; else it is killed.</param>
internal sealed class DrillProcess(IReadOnlyDictionary<string, string> variables, Func<string, Task<bool>> onHit) : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private Process? _process;
    private Task _watch = Task.CompletedTask;

    /// <summary>Whether it works.</summary>
    public bool IsReady { get; private set; }

    /// <summary>Starts it, and again after each kill.</summary>
    public void Start() => _watch = WatchAsync();

    /// <summary>Whether it will stop at a failpoint.</summary>
    public bool IsArmed { get; private set; }

    /// <summary>Lets it stop at the <paramref name="count"/>-th hit of a failpoint. Takes back what was armed before.</summary>
    public Task ArmAsync(string failpoint, int count)
    {
        IsArmed = true;
        return SendAsync($"arm {failpoint} {count}");
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync().ConfigureAwait(false);
        _process?.Kill();
        await _watch.ConfigureAwait(false);
        _process?.Dispose();
        _end.Dispose();
    }

    private static ProcessStartInfo StartInfo()
    {
        var host = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        return new ProcessStartInfo(host, [typeof(DrillProcess).Assembly.Location, "drill", "worker"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
    }

    private async Task SendAsync(string line)
    {
        try
        {
            if (_process is { } process)
            {
                await process.StandardInput.WriteLineAsync(line).ConfigureAwait(false);
                await process.StandardInput.FlushAsync().ConfigureAwait(false);
            }
        }
        catch (IOException)
        {
            // It was killed this moment; its successor is not armed.
        }
    }

    private async Task WatchAsync()
    {
        while (!_end.IsCancellationRequested)
        {
            var start = StartInfo();
            foreach (var (name, value) in variables)
            {
                start.Environment[name] = value;
            }

            using var process = Process.Start(start)!;
            _process = process;
            while (await process.StandardOutput.ReadLineAsync().ConfigureAwait(false) is { } line)
            {
                if (!line.StartsWith("hit ", StringComparison.Ordinal))
                {
                    IsReady |= line == "ready";
                    continue;
                }

                IsArmed = false;
                if (await onHit(line["hit ".Length..]).ConfigureAwait(false))
                {
                    await SendAsync("go").ConfigureAwait(false);
                }
                else
                {
                    // SIGKILL.
                    IsReady = false;
                    process.Kill();
                }
            }

            IsReady = IsArmed = false;
            await process.WaitForExitAsync().ConfigureAwait(false);
            _process = null;
        }
    }
}
