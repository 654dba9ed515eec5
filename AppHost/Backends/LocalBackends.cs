using System.Globalization;
using Microsoft.Extensions.Configuration;
using RagPlatform.LocalServers;

namespace RagPlatform.AppHost.Backends;

/// <summary>PostgreSQL and Valkey of this machine, over the data folder that the single node uses too.</summary>
internal static class LocalBackends
{
    /// <summary>Adds them. <c>Durable=false</c> trades safety after a crash of the machine for speed, for tests.</summary>
    public static (IResourceBuilder<IResourceWithConnectionString> Database, IResourceBuilder<IResourceWithConnectionString> Cache) AddLocalBackends(
        this IDistributedApplicationBuilder builder, PlatformFolder folder)
    {
        var files = folder.Files;
        var password = builder.AddParameter("postgres-password", () => files.RolePassword, secret: true)
            .WithDescription("The password of the services' role, in `ragdb.password` in the data folder.", enableMarkdown: true);
        var postgres = builder.AddLocalServer(
            "postgres",
            "postgres",
            files,
            endpoint => ReferenceExpression.Create(
                $"Host=127.0.0.1;Port={endpoint.Property(EndpointProperty.Port)};Username={LocalPostgres.Role};Password={password}"));
        postgres.WithServerHealthCheck(address => new PostgresHealthCheck(address, "postgres", files.PostgresReady));
        var database = builder.AddLocalDatabase(LocalPostgres.Database, postgres, files);

        var cachePassword = builder.AddParameter("cache-password", () => files.ValkeyPassword, secret: true)
            .WithDescription("The password in `valkey.password` in the data folder.", enableMarkdown: true);
        var cache = builder.AddLocalServer(
            "cache",
            "valkey",
            files,
            endpoint => ReferenceExpression.Create($"127.0.0.1:{endpoint.Property(EndpointProperty.Port)},password={cachePassword}"));
        cache.WithServerHealthCheck(address => new CacheHealthCheck(address));
        return (database, cache);
    }

    private static IResourceBuilder<LocalServerResource> AddLocalServer(
        this IDistributedApplicationBuilder builder,
        string name,
        string server,
        DataFolderFiles files,
        Func<EndpointReference, ReferenceExpression> connectionString)
    {
        var port = LoopbackPorts.TakeFree();
        string[] arguments =
        [
            Programs.LocalServers, server,
            "--data", files.Folder,
            "--port", port.ToString(CultureInfo.InvariantCulture),
            "--owner", Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
            "--durable", builder.Configuration["Durable"] ?? "true",
        ];
        var resource = new LocalServerResource(name, Path.GetDirectoryName(Programs.LocalServers)!, connectionString);
        return builder.AddResource(resource)
            .WithArgs(arguments)
            // Whoever connects does so directly: a proxy would take a part of every statement's time.
            .WithEndpoint(port: port, scheme: "tcp", name: LocalServerResource.EndpointName, isProxied: false)
            .WithIconName("Database")
            .ExcludeFromManifest();
    }

    // A child of an executable gets no state of its own, so it follows its parent.
    private static IResourceBuilder<LocalDatabaseResource> AddLocalDatabase(
        this IDistributedApplicationBuilder builder, string name, IResourceBuilder<LocalServerResource> server, DataFolderFiles files)
    {
        var resource = new LocalDatabaseResource(name, server.Resource);
        return builder.AddResource(resource)
            .WithInitialState(new CustomResourceSnapshot
            {
                ResourceType = "LocalDatabase",
                State = KnownResourceStates.NotStarted,
                Properties = [],
            })
            .WithIconName("Database")
            .OnInitializeResource((database, started, cancellationToken) =>
            {
                _ = FollowAsync(database, started, cancellationToken);
                return Task.CompletedTask;
            })
            .WithServerHealthCheck(address => new PostgresHealthCheck(address, readyFile: files.PostgresReady))
            .ExcludeFromManifest();
    }

    private static async Task FollowAsync(
        LocalDatabaseResource database, InitializeResourceEvent started, CancellationToken cancellationToken)
    {
        try
        {
            var announced = false;
            string? last = null;
            await foreach (var change in started.Notifications.WatchAsync(cancellationToken))
            {
                if (change.Resource != database.Parent || change.Snapshot.State is not { } state || state.Text == last)
                {
                    continue;
                }

                last = state.Text;
                if (!announced && state.Text == KnownResourceStates.Running)
                {
                    announced = true;
                    await started.Eventing.PublishAsync(new ConnectionStringAvailableEvent(database, started.Services), cancellationToken);
                }

                await started.Notifications.PublishUpdateAsync(
                    database, snapshot => snapshot with { State = state, StartTimeStamp = change.Snapshot.StartTimeStamp });
            }
        }
        catch (OperationCanceledException)
        {
            // The application stops.
        }
    }
}
