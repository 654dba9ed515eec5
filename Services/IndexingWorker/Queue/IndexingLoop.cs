using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Queue;

/// <summary>Claims tasks as long as there are some and there is room, and gives everything back when the service stops.</summary>
internal sealed partial class IndexingLoop(
    TaskQueue queue,
    DocumentIndexer indexer,
    SchemaMigrator migrator,
    TaskSignal signal,
    IdlePace pace,
    WorkerIdentity identity,
    TasksInWork inWork,
    RestingSpaces resting,
    IOptions<IndexingOptions> options,
    TimeProvider time,
    ILogger<IndexingLoop> logger) : BackgroundService
{
    // What is missed of a notification, nobody knows of any reason: a fallback of a fallback.
    private const int IdlePolls = 15;

    // Under load, a claim for each task that ends would cost more than it brings: where a space has its share, there is only something for others
    // when something is new.
    private static readonly TimeSpan s_claimInterval = TimeSpan.FromMilliseconds(10);

    private readonly CancellationTokenSource _abort = new();
    private ClaimCursor _cursor;
    private long _claimedAt;
    private int _news;
    private IReadOnlyList<int> _fullInVain = [];

    /// <summary>Claims once.</summary>
    /// <returns>How long to wait for a signal before the next claim: not at all, when it may find more.</returns>
    public async Task<TimeSpan> RunOnceAsync(CancellationToken cancellationToken)
    {
        var (count, full) = Room(inWork.CountBySpace(), resting.List(), options.Value.DocumentsInWork, options.Value.ClaimSize);
        var news = signal.News;
        if (full.Count > 0 && _claimedAt != 0)
        {
            var least = news == _news && full.SequenceEqual(_fullInVain) ? options.Value.PollInterval : s_claimInterval;
            if (time.GetElapsedTime(_claimedAt) is var elapsed && elapsed < least)
            {
                return least - elapsed;
            }
        }

        (_claimedAt, _news) = (time.GetTimestamp(), news);
        var claim = await queue.ClaimAsync(identity.Id, count, options.Value.Lease, _cursor, full, cancellationToken);

        // A round that began in the middle has not looked at the lanes before.
        var again = claim.Tasks.Count > 0 || claim.Cursor != default || _cursor != default;
        _cursor = claim.Cursor;
        _fullInVain = again ? [] : full;
        if (claim.Tasks.Count > 0)
        {
            inWork.Add(claim.Tasks);
            _ = indexer.ProcessAsync(claim.Tasks, _abort.Token);
        }

        return again ? TimeSpan.Zero : options.Value.PollInterval;
    }

    /// <summary>How many tasks may be claimed, and of which spaces none: those that have as much in work as they may, or nearly.</summary>
    /// <param name="inWork">What is in work, by space.</param>
    /// <param name="resting">Spaces of which a few are enough to see whether anything can be embedded again.</param>
    /// <param name="most">What a space may have in work.</param>
    /// <param name="claim">The size of a claim.</param>
    internal static (int Count, IReadOnlyList<int> Full) Room(
        IReadOnlyDictionary<int, int> inWork, IReadOnlyCollection<int> resting, int most, int claim)
    {
        var all = inWork.Values.Sum();
        var few = Math.Min(most, Math.Max(1, claim / 4));
        var count = Math.Min(resting.Count > 0 ? few : claim, FairShare.Of(most, all));
        var full = new List<int>();
        foreach (var (space, own) in inWork.OrderBy(pair => pair.Key))
        {
            var room = FairShare.Of(most, all - own) - own;
            if (room < few || resting.Contains(space))
            {
                full.Add(space);
            }
            else
            {
                count = Math.Min(count, room);
            }
        }

        return (count, full);
    }

    /// <inheritdoc />
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);

        // Nothing is claimed any more.
        using var limit = new CancellationTokenSource(options.Value.StopTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            while (inWork.Count > 0)
            {
                await signal.WaitAsync(either.Token);
            }
        }
        catch (OperationCanceledException)
        {
            LogGivenBack(inWork.Count);
        }

        await _abort.CancelAsync();
        foreach (var task in inWork.List())
        {
            inWork.Abandon(task);
        }

        try
        {
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(2), time);
            await queue.ReleaseAllAsync(identity.Id, soon.Token);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            LogUnreachable(e.Message);
        }
    }

    /// <inheritdoc />
    public override void Dispose()
    {
        _abort.Dispose();
        base.Dispose();
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.Value.Enabled)
        {
            return;
        }

        await migrator.Ready.WaitAsync(stoppingToken);
        while (true)
        {
            var pause = options.Value.PollInterval;
            try
            {
                pause = await RunOnceAsync(stoppingToken);
                if (pause == TimeSpan.Zero)
                {
                    pace.Stir();
                }
                else if (pause == options.Value.PollInterval && pace.MayRest && await queue.IsEmptyAsync(stoppingToken))
                {
                    // Nothing rests or is leased to a worker that may be dead: what comes is notified.
                    pause *= IdlePolls;
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogUnreachable(e.Message);
            }

            if (pause > TimeSpan.Zero)
            {
                await signal.WaitAsync(pause, time, stoppingToken);
            }

            stoppingToken.ThrowIfCancellationRequested();
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "The queue cannot be read at the moment: {Reason}")]
    private partial void LogUnreachable(string reason);

    [LoggerMessage(2, LogLevel.Information, "Stopping: {Documents} documents in work are given back.")]
    private partial void LogGivenBack(int documents);
}
