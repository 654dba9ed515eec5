using Microsoft.Extensions.Options;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>What has to be done now and then: index builds, folding of the keyword index, steps of reindexing, and
/// the removal of what deleted workspaces and old changes left behind; old dead letters are put out of sight.</summary>
internal sealed partial class Maintenance(
    SpaceStore spaces,
    VectorIndexStore indexes,
    WorkspaceStore workspaces,
    LexicalFolder lexical,
    TaskQueue queue,
    ReindexStore reindex,
    SchemaMigrator migrator,
    IOptions<IndexingOptions> options,
    TimeProvider time,
    ILogger<Maintenance> logger) : BackgroundService
{
    private const int PurgeStep = 200;
    private const int PruneStep = 10_000;
    private const int ReindexStep = 1_000;

    private readonly Dictionary<int, long> _replacedAt = [];

    /// <summary>Does one step of everything.</summary>
    /// <returns>Whether another step at once would find more to do.</returns>
    public async Task<bool> RunOnceAsync(CancellationToken cancellationToken)
    {
        var purged = await TryAsync("purge", () => workspaces.PurgeAsync(PurgeStep, cancellationToken), cancellationToken);
        var pruned = await TryAsync("prune", () => queue.PruneChangesAsync(options.Value.ChangesRetention, cancellationToken), cancellationToken);
        await TryAsync("expire", () => queue.ExpireDeadLettersAsync(options.Value.DeadLetterRetention, cancellationToken), cancellationToken);
        return purged == PurgeStep || pruned == PruneStep;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.Value.Enabled)
        {
            return;
        }

        await migrator.Ready.WaitAsync(stoppingToken);

        // An index build can take hours; the rest must not wait for it.
        await Task.WhenAll(
            RepeatAsync(RunOnceAsync, stoppingToken),
            RepeatAsync(async token => await TryAsync("fold", () => FoldAsync(token), token) > 0, stoppingToken),
            RepeatAsync(async token => await TryAsync("reindex", () => ReindexAsync(token), token) > 0, stoppingToken),
            RepeatAsync(BuildIndexesAsync, stoppingToken));
    }

    private async Task<int> ReindexAsync(CancellationToken cancellationToken)
    {
        Failpoint.Hit("reindex.before");
        var stepped = await reindex.StepAsync(ReindexStep, cancellationToken);
        Failpoint.Hit("reindex.done");
        return stepped ? 1 : 0;
    }

    private Task<int> FoldAsync(CancellationToken cancellationToken)
    {
        Failpoint.Hit("fold.before");
        return lexical.FoldAsync(cancellationToken);
    }

    private async Task RepeatAsync(Func<CancellationToken, Task<bool>> step, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (!await step(cancellationToken))
            {
                await Task.Delay(options.Value.MaintenanceInterval, time, cancellationToken);
            }
        }
    }

    private async Task<bool> BuildIndexesAsync(CancellationToken cancellationToken)
    {
        await TryAsync(
            "index",
            async () =>
            {
                foreach (var space in await spaces.ListAsync(cancellationToken))
                {
                    var begin = time.GetTimestamp();
                    if (await indexes.EnsureAsync(space, options.Value.HnswMinRows, options.Value.HnswMaintenanceMemory, cancellationToken))
                    {
                        LogBuilt(space.Id, time.GetElapsedTime(begin).TotalSeconds);
                    }

                    await DropObsoleteAsync(space, cancellationToken);
                }

                return 0;
            },
            cancellationToken);
        return false;
    }

    private async Task DropObsoleteAsync(SpaceRow space, CancellationToken cancellationToken)
    {
        if (!await indexes.HasObsoleteAsync(space, cancellationToken))
        {
            _replacedAt.Remove(space.SpaceId);
        }
        else if (!_replacedAt.TryAdd(space.SpaceId, time.GetTimestamp()) && time.GetElapsedTime(_replacedAt[space.SpaceId]) >= options.Value.ReplacedIndexDelay
            && await indexes.DropObsoleteAsync(space, cancellationToken))
        {
            LogReplaced(space.Id);
        }
    }

    private async Task<int> TryAsync(string step, Func<Task<int>> action, CancellationToken cancellationToken)
    {
        try
        {
            return await action();
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(step, e.Message);
            return 0;
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Built the index of space {Space} in {DurationSeconds} s.")]
    private partial void LogBuilt(string space, double durationSeconds);

    [LoggerMessage(3, LogLevel.Information, "Dropped the index of space {Space} that another precision replaces.")]
    private partial void LogReplaced(string space);

    [LoggerMessage(2, LogLevel.Warning, "Maintenance step {Step} failed and is repeated later: {Reason}")]
    private partial void LogFailed(string step, string reason);
}
