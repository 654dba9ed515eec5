using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>What has to be done now and then: index builds, folding of the keyword index, steps of reindexing, and
/// the removal of what deleted workspaces and old changes left behind; old dead letters are put out of sight.</summary>
internal sealed partial class Maintenance(
    SpaceStore spaces,
    VectorIndexStore indexes,
    WorkspaceStore workspaces,
    DocumentStore documents,
    LexicalFolder lexical,
    TaskQueue queue,
    ReindexStore reindex,
    DoctorCheckStore checks,
    TokenCalibration tokens,
    TokenRatioStore ratios,
    SchemaMigrator migrator,
    IdlePace pace,
    IOptions<IndexingOptions> options,
    TimeProvider time,
    ILogger<Maintenance> logger) : BackgroundService
{
    private const int PurgeStep = 200;
    private const int MeasureStep = 200;
    private const int PruneStep = 10_000;
    private const int ReindexStep = 1_000;
    private static readonly TimeSpan s_checkRetention = TimeSpan.FromDays(30);

    private static readonly TimeSpan s_longestRest = TimeSpan.FromMinutes(10);

    // By space: failures in a row, and when to try again.
    private readonly Dictionary<int, (int Failures, DateTimeOffset Until)> _failedBuilds = [];

    private readonly Dictionary<int, long> _replacedAt = [];

    private bool _allMeasured;

    /// <summary>Does one step of everything.</summary>
    /// <returns>Whether another step at once would find more to do.</returns>
    public async Task<bool> RunOnceAsync(CancellationToken cancellationToken)
    {
        var purged = await TryAsync("purge", () => workspaces.PurgeAsync(PurgeStep, cancellationToken), cancellationToken);
        var pruned = await TryAsync("prune", () => queue.PruneChangesAsync(options.Value.ChangesRetention, cancellationToken), cancellationToken);
        await TryAsync("expire", () => queue.ExpireDeadLettersAsync(options.Value.DeadLetterRetention, cancellationToken), cancellationToken);
        await TryAsync("tokens", () => SynchronizeAsync(cancellationToken), cancellationToken);
        await TryAsync("forget", () => checks.PruneAsync(s_checkRetention, cancellationToken), cancellationToken);
        var measured = await TryAsync("measure", () => MeasureAsync(cancellationToken), cancellationToken);
        return measured == MeasureStep || purged == PurgeStep || pruned == PruneStep;
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

    // Once none are left, no version of today adds one.
    private async Task<int> MeasureAsync(CancellationToken cancellationToken)
    {
        var measured = _allMeasured ? 0 : await documents.MeasureAsync(MeasureStep, cancellationToken);
        _allMeasured = measured == 0;
        return measured;
    }

    private async Task<int> SynchronizeAsync(CancellationToken cancellationToken)
    {
        await tokens.SynchronizeAsync(ratios, cancellationToken);
        return 0;
    }

    private Task<int> FoldAsync(CancellationToken cancellationToken)
    {
        Failpoint.Hit("fold.before");
        return lexical.FoldAsync(cancellationToken);
    }

    private async Task RepeatAsync(Func<CancellationToken, Task<bool>> step, CancellationToken cancellationToken)
    {
        var intervals = 1;
        while (true)
        {
            var stirred = pace.Next;
            intervals = await step(cancellationToken)
                ? 1
                : await pace.RestAsync(stirred, options.Value.MaintenanceInterval, intervals, cancellationToken);
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
                    // One that cannot be built, for want of disk for instance, neither keeps the others waiting nor is tried all the time.
                    var (failures, until) = _failedBuilds.GetValueOrDefault(space.SpaceId);
                    if (failures == 0 || time.GetUtcNow() >= until)
                    {
                        await BuildIndexAsync(space, failures, cancellationToken);
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

    private async Task BuildIndexAsync(SpaceRow space, int failures, CancellationToken cancellationToken)
    {
        var begin = time.GetTimestamp();
        try
        {
            var built = await indexes.EnsureAsync(
                space,
                options.Value.HnswMinRows,
                options.Value.HnswMaintenanceMemory,
                warning => LogPreflight(space.Id, warning),
                cancellationToken);
            _failedBuilds.Remove(space.SpaceId);
            if (built is not null)
            {
                LogBuilt(space.Id, time.GetElapsedTime(begin).TotalSeconds, built.Parallel);
            }
        }
        catch (NpgsqlException e) when (!cancellationToken.IsCancellationRequested)
        {
            var rest = options.Value.MaintenanceInterval * Math.Pow(2, Math.Min(failures, 10));
            rest = rest < s_longestRest ? rest : s_longestRest;
            _failedBuilds[space.SpaceId] = (failures + 1, time.GetUtcNow() + rest);
            LogNotBuilt(space.Id, rest.TotalSeconds, e.Message);
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

    [LoggerMessage(1, LogLevel.Information, "Built the index of space {Space} in {DurationSeconds} s (parallel: {Parallel}).")]
    private partial void LogBuilt(string space, double durationSeconds, bool parallel);

    [LoggerMessage(5, LogLevel.Information, "Dropped the index of space {Space} that another precision replaces.")]
    private partial void LogReplaced(string space);

    [LoggerMessage(2, LogLevel.Warning, "Maintenance step {Step} failed and is repeated later: {Reason}")]
    private partial void LogFailed(string step, string reason);

    [LoggerMessage(3, LogLevel.Warning, "The index of space {Space}: {Warning}")]
    private partial void LogPreflight(string space, string warning);

    [LoggerMessage(4, LogLevel.Warning, "The index of space {Space} could not be built, searches compare exactly; next attempt in {DelaySeconds} s: {Reason}")]
    private partial void LogNotBuilt(string space, double delaySeconds, string reason);
}
