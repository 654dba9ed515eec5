using Microsoft.Extensions.Configuration;

namespace RagPlatform.AppHost.Backends;

/// <summary>PostgreSQL and Valkey in containers.</summary>
internal static class ContainerBackends
{
    /// <summary>
    /// Adds them. <c>UseVolumes=false</c> gives containers that go with the application, for tests. What is published has no volumes: the
    /// target decides about storage.
    /// </summary>
    public static (IResourceBuilder<IResourceWithConnectionString> Database, IResourceBuilder<IResourceWithConnectionString> Cache) AddContainerBackends(
        this IDistributedApplicationBuilder builder)
    {
        // The image comes before the volume: where the volume is mounted depends on the image's major version.
        // Parallel index builds share memory through /dev/shm, of which a container has 64 MB unless told otherwise.
        var postgres = builder.AddPostgres("postgres")
            .WithImage("pgvector/pgvector", "0.8.6-pg17")
            .WithContainerRuntimeArgs("--shm-size=1g");
        var database = postgres.AddDatabase("ragdb");
        var cache = builder.AddRedis("cache").WithImage("valkey/valkey", "8.1").WithEviction("1gb");

        if (builder.ExecutionContext.IsRunMode && builder.Configuration["UseVolumes"] != "false")
        {
            // The volumes stay, and nothing that runs: who stops the application wants its memory back.
            postgres.WithDataVolume();
            cache.WithDataVolume().WithPersistence(TimeSpan.FromMinutes(15));
        }

        return (database, cache);
    }

    // It holds nothing but what can be made again. AddRedis starts the server by `/bin/sh -c "redis-server …"`, so that further arguments
    // belong into that last one; appended, the shell would drop them.
    private static IResourceBuilder<RedisResource> WithEviction(this IResourceBuilder<RedisResource> valkey, string maxMemory) =>
        valkey.WithArgs(context =>
        {
            if (context.Args is [.., string command])
            {
                context.Args[^1] = $"{command} --maxmemory {maxMemory} --maxmemory-policy allkeys-lru";
            }
        });
}
