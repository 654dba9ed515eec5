using Microsoft.Extensions.Options;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>
/// Gives a workspace that is large, but a small part of its space, an HNSW index of its own, and takes it away when it has shrunk, has been deleted, or
/// has moved to another space. Both are done beside reading and writing. When several processes try, one does it.
/// </summary>
internal sealed partial class IndexPromotion(
    PartialIndexStore store, SchemaMigrator schema, IOptions<SearchOptions> options, TimeProvider time, ILogger<IndexPromotion> logger) : BackgroundService
{
    // Between being given an index and losing it lies a factor of two, so that nobody goes back and forth.
    private const int Hysteresis = 2;

    // Where others are as many as the workspace's own, half of what the space's index finds is of no use. Above these parts of the space it is as good.
    private const double LargeShare = 0.6;
    private const double TooLargeShare = 0.8;

    // Another process may plan by an index so long after there is a better one. Plans are made of figures that are some seconds old.
    private static readonly TimeSpan s_notice = TimeSpan.FromMinutes(1);

    private readonly Dictionary<(int Workspace, int Space), long> _replacedAt = [];

    /// <summary>Looks once, and builds or drops one index, if there is one to be.</summary>
    /// <returns>Whether there was.</returns>
    internal async Task<bool> StepAsync(CancellationToken cancellationToken)
    {
        var threshold = options.Value.PartialIndexChunks;
        foreach (var share in await store.ListSharesAsync(threshold > 0 ? threshold : long.MaxValue, cancellationToken))
        {
            var part = share.Chunks / Math.Max(1, Math.Max(share.TableRows, share.Chunks));
            var mayStay = threshold > 0 && share.Chunks > 0 && share.Chunks >= threshold / Hysteresis && part <= TooLargeShare;
            var half = share.Space.WantsHalfIndex;
            foreach (var index in share.Indexes)
            {
                if (!index.IsAlive || !mayStay || (index.IsHalf != half && IsReplaced(share)))
                {
                    if (!await store.DropAsync(share.WorkspaceId, share.Space, index.IsHalf, cancellationToken))
                    {
                        LogOthers();
                        return false;
                    }

                    LogDropped(share.WorkspaceId, share.Space.Id, share.Chunks);
                    return true;
                }
            }

            var isDue = share.Chunks >= threshold && part <= LargeShare;
            if (mayStay && share.IsServed && !share.Indexes.Any(i => i.IsHalf == half) && (isDue || share.Indexes.Count > 0))
            {
                LogBuilding(share.WorkspaceId, share.Space.Id, share.Chunks);
                if (!await store.CreateAsync(share.WorkspaceId, share.Space, cancellationToken))
                {
                    LogOthers();
                    return false;
                }

                return true;
            }
        }

        return false;
    }

    // Whether the index of the wanted precision has been there long enough for everybody to know.
    private bool IsReplaced(WorkspaceShareRow share)
    {
        var key = (share.WorkspaceId, share.Space.SpaceId);
        if (!share.Indexes.Any(i => i.IsValid && i.IsHalf == share.Space.WantsHalfIndex))
        {
            _replacedAt.Remove(key);
            return false;
        }

        _replacedAt.TryAdd(key, time.GetTimestamp());
        return time.GetElapsedTime(_replacedAt[key]) >= s_notice;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await schema.Ready.WaitAsync(stoppingToken);
        while (true)
        {
            try
            {
                while (await StepAsync(stoppingToken))
                {
                }
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

    [LoggerMessage(3, LogLevel.Debug, "Somebody else builds or drops an index of the space; looking again later.")]
    private partial void LogOthers();

    [LoggerMessage(4, LogLevel.Warning, "An index of a workspace could not be built or dropped ({Reason}); trying again later.")]
    private partial void LogFailed(string reason);
}
