using System.Diagnostics;
using System.Text.Json;
using RagPlatform.Lab.Figures;
using RagPlatform.LocalServers;

namespace RagPlatform.Lab.Bench;

/// <summary>The platform as a process over a temporary data folder, in whose <c>node.json</c> it says that it is ready.</summary>
/// <param name="program">The program, for <c>dotnet</c>.</param>
/// <param name="arguments">Its arguments, for the folder.</param>
/// <param name="variables">Environment variables.</param>
internal sealed class StartedProcess(
    string program, Func<string, string[]> arguments, IReadOnlyDictionary<string, string> variables) : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_stopPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-bench-");
    private Process? _process;

    /// <summary>The files of its data folder.</summary>
    public DataFolderFiles Files => new(_folder.FullName);

    /// <summary>What it says of itself.</summary>
    public NodeState State { get; private set; } = null!;

    /// <summary>Starts it, and returns when it is ready.</summary>
    /// <returns>The seconds from its start until then.</returns>
    /// <exception cref="UnsoundRunException">It is not ready after two minutes, or ended.</exception>
    public async Task<double> StartAsync(BenchContext bench)
    {
        // What it prints is nobody's result.
        var start = new ProcessStartInfo("dotnet", [program, .. arguments(_folder.FullName)]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in variables)
        {
            start.Environment[name] = value;
        }

        // The built-in model, whatever the environment has: another one would be asked over the network.
        start.Environment["EMBEDDINGS_PROVIDER"] = "local";
        var began = bench.Time.GetTimestamp();
        _process = Process.Start(start)!;
        var last = "";
        _process.OutputDataReceived += (_, line) => last = line.Data ?? last;
        _process.ErrorDataReceived += (_, line) => last = line.Data ?? last;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        while (!File.Exists(Files.State))
        {
            if (_process.HasExited || bench.Time.GetElapsedTime(began) > s_patience)
            {
                throw new UnsoundRunException($"{Path.GetFileName(program)} did not become ready: {last}");
            }

            await Task.Delay(s_poll, bench.Time, bench.CancellationToken).ConfigureAwait(false);
        }

        var seconds = bench.Time.GetElapsedTime(began).TotalSeconds;
        State = JsonSerializer.Deserialize<NodeState>(
            await File.ReadAllTextAsync(Files.State, bench.CancellationToken).ConfigureAwait(false), NodeState.JsonOptions)!;
        return seconds;
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            Unix.Send(process.Id, Unix.Terminate);
            using var limit = new CancellationTokenSource(s_stopPatience);
            try
            {
                await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
            }

            process.Dispose();
        }

        _folder.Delete(recursive: true);
    }
}
