using Microsoft.Extensions.Logging.Abstractions;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode.ScriptedProvider;
using RagPlatform.LocalServers;

namespace RagPlatform.Integration.Tests.Embedding;

/// <summary>Servers of one test alone, because it stops or pauses them in the middle.</summary>
public sealed class OutageServers : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rag-tests-");
    private LocalValkey? _valkey;
    private LocalPostgres? _postgres;

    private OutageServers(ScriptedEmbeddingServer provider) => Provider = provider;

    internal ScriptedEmbeddingServer Provider { get; }

    internal static async Task<OutageServers> StartProviderAsync() => new(await ScriptedEmbeddingServer.StartAsync());

    /// <summary>Starts Valkey; where it is missing the test is skipped, or fails in CI.</summary>
    internal async Task<LocalValkey> StartValkeyAsync(CancellationToken cancellationToken) => _valkey = await LocalValkey.StartAsync(
        Requirements.NeedValkey(),
        new LocalValkeyOptions(Path.Combine(_folder.FullName, "valkey"), "secret", Durable: false),
        NullLogger.Instance,
        cancellationToken);

    /// <summary>Starts PostgreSQL; where it is missing the test is skipped, or fails in CI.</summary>
    internal async Task<LocalPostgres> StartPostgresAsync(CancellationToken cancellationToken)
    {
        Requirements.NeedPostgres();
        return _postgres = await LocalPostgres.StartAsync(
            new LocalPostgresOptions(Path.Combine(_folder.FullName, "postgres"), "secret", "role", Durable: false), NullLogger.Instance, cancellationToken);
    }

    /// <summary>PostgreSQL's processes: each connection is one of its own.</summary>
    internal static int[] ProcessesOf(int parent) =>
        [parent, .. File.ReadAllText($"/proc/{parent}/task/{parent}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(id => int.Parse(id, null))];

    internal static Task PauseAsync(IEnumerable<int> processes) => SignalAsync("STOP", processes);

    internal static Task ContinueAsync(IEnumerable<int> processes) => SignalAsync("CONT", processes);

    public async ValueTask DisposeAsync()
    {
        await (_valkey?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_postgres?.DisposeAsync() ?? ValueTask.CompletedTask);
        await Provider.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static async Task SignalAsync(string signal, IEnumerable<int> processes)
    {
        // A connection's process may have ended meanwhile: that kill says so is no failure.
        using var kill = System.Diagnostics.Process.Start("kill", ["-" + signal, .. processes.Select(id => $"{id}")]);
        await kill.WaitForExitAsync();
    }
}
