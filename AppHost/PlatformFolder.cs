using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using RagPlatform.LocalServers;

namespace RagPlatform.AppHost;

/// <summary>The data folder of the running application: <c>--Data</c>, else <c>RAG_DATA</c>, else <c>.data</c> beside the AppHost's folder.</summary>
/// <param name="files">Its files.</param>
internal sealed class PlatformFolder(DataFolderFiles files) : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_pollInterval = TimeSpan.FromMilliseconds(50);

    private DataFolder? _open;

    /// <summary>Its files.</summary>
    public DataFolderFiles Files => files;

    /// <summary>Opens it: from now on no other instance can.</summary>
    /// <exception cref="LocalServerException">Another instance uses it, or a right is missing.</exception>
    public void Open() => _open ??= DataFolder.Open(files.Folder);

    /// <summary>Says where the services are.</summary>
    public void WriteState(NodeState state) => _open?.WriteState(state);

    /// <summary>Closes it, when the servers that worked in it are gone: they stop a moment after the application did.</summary>
    public void Dispose()
    {
        if (_open is null)
        {
            return;
        }

        _open.RemoveState();
        var until = DateTime.UtcNow + s_patience;
        while (IsInUse() && DateTime.UtcNow < until)
        {
            Thread.Sleep(s_pollInterval);
        }

        _open.Dispose();
        _open = null;
    }

    private bool IsInUse() => OperatingSystem.IsLinux()
        && (ServerProcess.FindIn("postgres", Path.Combine(files.Postgres, "data")).Count > 0
            || ServerProcess.FindIn("valkey-server", files.Valkey).Count > 0);
}

/// <summary>Adds the data folder.</summary>
internal static class PlatformFolderExtensions
{
    /// <summary>The folder is made, and taken, when the application starts; nothing happens to it before.</summary>
    public static PlatformFolder AddDataFolder(this IDistributedApplicationBuilder builder)
    {
        var configured = builder.Configuration["Data"] ?? builder.Configuration["RAG_DATA"];
        var path = Path.GetFullPath(
            configured is { Length: > 0 } ? configured : ".data", Path.GetDirectoryName(builder.AppHostDirectory.TrimEnd('/'))!);
        var folder = new PlatformFolder(new DataFolderFiles(path));
        // By a factory, so that the container disposes of it.
        builder.Services.AddSingleton(_ => folder);
        if (builder.ExecutionContext.IsRunMode)
        {
            builder.Eventing.Subscribe<BeforeStartEvent>((started, _) =>
            {
                started.Services.GetRequiredService<PlatformFolder>().Open();
                return Task.CompletedTask;
            });
        }

        return folder;
    }

    /// <summary>Keeps the dashboard's keys in the folder, so that whoever has logged in stays so after a restart.</summary>
    public static IResourceBuilder<ProjectResource> WithKeysIn(this IResourceBuilder<ProjectResource> dashboard, PlatformFolder folder) =>
        dashboard.ApplicationBuilder.ExecutionContext.IsRunMode
            ? dashboard.WithEnvironment("Dashboard__KeysFolder", folder.Files.DashboardKeys)
            : dashboard;
}
