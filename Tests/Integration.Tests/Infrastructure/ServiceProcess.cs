using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace RagPlatform.Integration.Tests.Infrastructure;

/// <summary>A service in a process of its own, as Aspire and orchestrators run it: it can be killed, and started again at the same address.</summary>
internal sealed class ServiceProcess : IAsyncDisposable
{
    private readonly string _name;
    private readonly IReadOnlyDictionary<string, string> _settings;
    private readonly System.Text.StringBuilder _output = new();
    private Process? _process;

    private ServiceProcess(string name, IReadOnlyDictionary<string, string> settings)
    {
        (_name, _settings) = (name, settings);

        // Free at the moment, and out of the way of what listens for a moment only.
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}/");
    }

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>What it has printed.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>Starts one; it is not ready yet.</summary>
    /// <param name="name">The assembly without <c>RagPlatform.</c>, for example <c>EmbeddingService</c>.</param>
    /// <param name="settings">Configuration, as environment variables name it.</param>
    public static ServiceProcess Start(string name, params (string Key, string Value)[] settings)
    {
        var service = new ServiceProcess(name, settings.ToDictionary(s => s.Key, s => s.Value));
        service.Start();
        return service;
    }

    /// <summary>Starts it again.</summary>
    public void Start()
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, $"RagPlatform.{_name}.dll")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var (key, value) in _settings)
        {
            start.Environment[key] = value;
        }

        start.Environment["ASPNETCORE_URLS"] = Address.ToString();
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Waits until it is ready.</summary>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = Address };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        while (true)
        {
            try
            {
                using var answer = await http.GetAsync("health", limit.Token);
                if (answer.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (HttpRequestException) when (_process is { HasExited: false })
            {
                // Not yet.
            }

            await Task.Delay(50, limit.Token);
        }
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        if (_process is { } process)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            process.Dispose();
            _process = null;
        }
    }

    public async ValueTask DisposeAsync() => await KillAsync();

    private void Keep(string? line)
    {
        lock (_output)
        {
            _output.AppendLine(line);
        }
    }
}
