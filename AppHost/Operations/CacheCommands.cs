using StackExchange.Redis;

namespace RagPlatform.AppHost.Operations;

/// <summary>What can be done to the cache from the Aspire dashboard.</summary>
internal static class CacheCommands
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>Adds the command <c>flush</c>: everything in it can be made again.</summary>
    public static IResourceBuilder<IResourceWithConnectionString> WithFlushCommand(
        this IResourceBuilder<IResourceWithConnectionString> cache) =>
        cache.WithCommand(
            "flush",
            "Flush the cache",
            context => FlushAsync(cache.Resource, context.CancellationToken),
            new CommandOptions
            {
                Description = "Deletes every key of the cache's database. Vectors come from PostgreSQL then, or are paid for again.",
                ConfirmationMessage = "Delete every key of the cache's database?",
                IconName = "Broom",
                UpdateState = SearchCommands.WhenHealthy,
            });

    private static async Task<ExecuteCommandResult> FlushAsync(IResourceWithConnectionString cache, CancellationToken cancellationToken)
    {
        if (await cache.GetConnectionStringAsync(cancellationToken) is not { } connectionString)
        {
            return CommandResults.Failure("The cache is not started.");
        }

        try
        {
            var options = ConfigurationOptions.Parse(connectionString);
            options.AllowAdmin = true;
            await using var connection = await ConnectionMultiplexer.ConnectAsync(options).WaitAsync(s_patience, cancellationToken);
            var keys = 0L;
            foreach (var server in connection.GetServers().Where(server => !server.IsReplica))
            {
                keys += await server.DatabaseSizeAsync(options.DefaultDatabase ?? 0);
                await server.FlushDatabaseAsync(options.DefaultDatabase ?? 0);
            }

            return CommandResults.Success($"{keys} keys deleted.");
        }
        catch (Exception e) when (e is RedisException or TimeoutException)
        {
            return CommandResults.Failure($"The cache does not answer: {e.Message}");
        }
    }
}
