namespace RagPlatform.AppHost;

/// <summary>How Valkey behaves when its memory is full.</summary>
internal static class ValkeyEviction
{
    /// <summary>
    /// Bounds the memory and evicts the least recently used key: it holds nothing but what can be made again. AddRedis starts the server
    /// by <c>/bin/sh -c "redis-server …"</c>, so that further arguments belong into that last one; appended, the shell would drop them.
    /// </summary>
    /// <param name="valkey">The cache.</param>
    /// <param name="maxMemory">The bound, in Valkey's notation, for example <c>1gb</c>.</param>
    public static IResourceBuilder<RedisResource> WithEviction(this IResourceBuilder<RedisResource> valkey, string maxMemory) =>
        valkey.WithArgs(context =>
        {
            if (context.Args is [.., string command])
            {
                context.Args[^1] = $"{command} --maxmemory {maxMemory} --maxmemory-policy allkeys-lru";
            }
        });
}
