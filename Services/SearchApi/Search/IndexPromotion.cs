using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>
/// Gives a workspace that is large, but a small part of its space, an HNSW index of its own, and takes it away when it has shrunk. Both are done
/// beside reading and writing. When several processes try, one builds and the others find the name taken.
/// </summary>
internal sealed partial class IndexPromotion(
    PlannerStore store, SchemaMigrator schema, IOptions<SearchOptions> options, TimeProvider time, ILogger<IndexPromotion> logger) : BackgroundService
{
    // Between being given an index and losing it lies a factor of two, so that nobody goes back and forth.
    private const int Hysteresis = 2;

    // Where others are as many as the workspace's own, half of what the space's index finds is of no use. Above these parts of the space it is as good.
    private const double LargeShare = 0.6;
    private const double TooLargeShare = 0.8;

    /// <summary>Looks once, and builds or drops one index, if there is one to be.</summary>
    /// <returns>Whether there was.</returns>
    internal async Task<bool> StepAsync(CancellationToken cancellationToken)
    {
        var threshold = options.Value.PartialIndexChunks;
        foreach (var share in await store.ListSharesAsync(threshold, cancellationToken))
        {
            var part = share.Chunks / Math.Max(1, Math.Max(share.TableRows, share.Chunks));
            if (share.HasPartialIndex && (!share.IsAlive || share.Chunks < threshold / Hysteresis || part > TooLargeShare))
            {
                await store.DropPartialIndexAsync(share.WorkspaceId, share.Space, cancellationToken);
                LogDropped(share.WorkspaceId, share.Space.Id, share.Chunks);
                return true;
            }

            if (!share.HasPartialIndex && share.Chunks >= threshold && part <= LargeShare)
            {
                LogBuilding(share.WorkspaceId, share.Space.Id, share.Chunks);
                await store.CreatePartialIndexAsync(share.WorkspaceId, share.Space, cancellationToken);
                return true;
            }
        }

        return false;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await schema.Ready.WaitAsync(stoppingToken);
        while (options.Value.PartialIndexChunks > 0)
        {
            try
            {
                while (await StepAsync(stoppingToken))
                {
                }
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.DuplicateTable or PostgresErrorCodes.UniqueViolation)
            {
                LogOthers();
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(e.Message);
            }

            await Task.Delay(options.Value.PromotionInterval, time, stoppingToken);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Building an index of its own for workspace {WorkspaceId} in space {Space}: it has {Chunks} chunks.")]
    private partial void LogBuilding(int workspaceId, string space, long chunks);

    [LoggerMessage(2, LogLevel.Information, "Dropped the index of workspace {WorkspaceId} in space {Space}: it has {Chunks} chunks.")]
    private partial void LogDropped(int workspaceId, string space, long chunks);

    [LoggerMessage(3, LogLevel.Debug, "Another process builds the index.")]
    private partial void LogOthers();

    [LoggerMessage(4, LogLevel.Warning, "An index of a workspace could not be built or dropped ({Reason}); trying again later.")]
    private partial void LogFailed(string reason);
}
