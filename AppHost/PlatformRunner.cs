using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RagPlatform.AppHost.Backends;
using RagPlatform.LocalServers;

namespace RagPlatform.AppHost;

/// <summary>Runs the application, and says when and where it can be used.</summary>
internal static class PlatformRunner
{
    private const int DataFolderCannotBeUsed = 3;
    private const int PortTaken = 4;

    /// <summary>Runs until the process is told to stop, or what is published is written.</summary>
    /// <returns>The exit code: 0, 3 when the data folder cannot be used, or 4 when a port of the AppHost is taken.</returns>
    public static async Task<int> RunPlatformAsync(
        this IDistributedApplicationBuilder builder,
        PlatformFolder folder,
        IResourceBuilder<ProjectResource> api,
        IResourceBuilder<ProjectResource> embedding,
        IResourceBuilder<ProjectResource> worker,
        IResourceBuilder<ProjectResource> dashboard)
    {
        if (builder.ExecutionContext.IsRunMode)
        {
            builder.Services.AddHostedService(provider => new ReadyAnnouncement(
                provider.GetRequiredService<ResourceNotificationService>(),
                provider.GetRequiredService<DistributedApplicationModel>(),
                builder.Configuration,
                folder,
                api, embedding, worker, dashboard));
        }

        try
        {
            string? session;
            await using (var app = builder.Build())
            {
                await app.RunAsync();
                session = Orchestrator.FindSession();
            }

            await Orchestrator.WaitForEndAsync(session);
            return 0;
        }
        catch (LocalServerException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return DataFolderCannotBeUsed;
        }
        catch (IOException e) when (e.InnerException is AddressInUseException)
        {
            await Console.Error.WriteLineAsync($"{e.Message} Is another AppHost running? Its own ports are in AppHost/Properties/launchSettings.json.");
            return PortTaken;
        }
    }

    /// <summary>Writes <c>node.json</c>, as the single node does, and prints the addresses, when every service is healthy.</summary>
    private sealed class ReadyAnnouncement(
        ResourceNotificationService notifications,
        DistributedApplicationModel model,
        IConfiguration configuration,
        PlatformFolder folder,
        IResourceBuilder<ProjectResource> api,
        IResourceBuilder<ProjectResource> embedding,
        IResourceBuilder<ProjectResource> worker,
        IResourceBuilder<ProjectResource> dashboard) : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            foreach (var service in (IResourceBuilder<ProjectResource>[])[api, embedding, worker, dashboard])
            {
                await notifications.WaitForResourceHealthyAsync(service.Resource.Name, stoppingToken);
            }

            var state = new NodeState(
                Environment.ProcessId,
                TimeProvider.System.GetUtcNow(),
                AddressOf(api),
                AddressOf(dashboard),
                AddressOf(embedding),
                AddressOf(worker),
                folder.Files.AdminKeyFile,
                ServerOf("postgres"),
                ServerOf("cache"))
            {
                Aspire = LoginLink(),
            };
            folder.WriteState(state);
            await Console.Out.WriteLineAsync(state.Describe());
        }

        private static Uri AddressOf(IResourceBuilder<ProjectResource> service) => new(service.GetEndpoint("http").Url + "/");

        // Where this machine's servers listen; which process each is changes when they are started again.
        private ServerState? ServerOf(string name) =>
            model.Resources.OfType<LocalServerResource>().FirstOrDefault(server => server.Name == name) is { } server
                ? new ServerState(server.Endpoint.Port, ProcessId: null)
                : null;

        // Without the dashboard, in tests, there is no address of it.
        private Uri? LoginLink() =>
            configuration["ASPNETCORE_URLS"]?.Split(';')[0] is { Length: > 0 } address
            && configuration["AppHost:BrowserToken"] is { Length: > 0 } token
                ? new Uri(new Uri(address), $"/login?t={token}")
                : null;
    }
}
