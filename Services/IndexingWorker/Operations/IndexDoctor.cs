using System.Text.Json;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.IndexingWorker.Queue;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Operations;

/// <summary>Does the checks that people ask for, and asks for them itself on a schedule. Several workers share them.</summary>
internal sealed partial class IndexDoctor(
    DoctorStore doctor,
    RepairStore repairs,
    DoctorCheckStore checks,
    SpaceStore spaces,
    SchemaMigrator migrator,
    WorkerIdentity identity,
    ControlSignal control,
    IdlePace pace,
    IOptions<IndexingOptions> options,
    TimeProvider time,
    ILogger<IndexDoctor> logger) : BackgroundService
{
    private const int MaxFaults = 1000;

    // A check that takes its worker down with it, or that the database refuses, is not tried for ever.
    private const int MaxAttempts = 3;

    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(10);

    /// <summary>Checks, and mends when told to.</summary>
    /// <param name="workspaceId">One workspace, or null for all.</param>
    /// <param name="repair">Whether to mend.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task<DoctorReport> CheckAsync(int? workspaceId, bool repair, CancellationToken cancellationToken)
    {
        var (begin, now) = (time.GetTimestamp(), time.GetUtcNow());
        var all = await spaces.ListAsync(cancellationToken);
        var found = await doctor.CheckAsync(workspaceId, all, cancellationToken);
        var mend = repair && found.Faults.Count > 0;
        if (mend)
        {
            await repairs.RepairAsync(found.Faults, all, cancellationToken);
        }

        var names = all.ToDictionary(s => s.SpaceId, s => s.Id);
        return new(
            found.Faults.Count == 0,
            found.Documents,
            found.Chunks,
            found.Vectors,
            found.Buckets,
            found.UnequalBuckets,
            found.Faults.CountBy(f => f.Kind).ToDictionary(StringComparer.Ordinal),
            [.. found.Faults.Take(MaxFaults).Select(f => new DoctorFault(
                f.Kind, f.WorkspaceId, f.DocumentId, f.ChunkId, f.SpaceId is { } space ? names[space] : null))],
            mend,
            time.GetElapsedTime(begin).TotalSeconds,
            now);
    }

    /// <summary>Does one check that was asked for.</summary>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> RunOnceAsync(CancellationToken cancellationToken)
    {
        if (await checks.ClaimAsync(identity.Id, s_lease, cancellationToken) is not { } check)
        {
            return false;
        }

        if (check.Attempts > MaxAttempts)
        {
            await checks.FinishAsync(identity.Id, check.CheckId, null, "Workers ended while they were at it.", cancellationToken);
            return true;
        }

        using var lost = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var renewing = RenewAsync(check.CheckId, lost);
        try
        {
            var report = await CheckAsync(check.WorkspaceId, check.Repair, lost.Token);
            Log(report);
            await checks.FinishAsync(identity.Id, check.CheckId, JsonSerializer.Serialize(report, RagJson.Options), null, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(e.Message);
            await (check.Attempts < MaxAttempts
                ? checks.ReleaseAsync(identity.Id, check.CheckId, options.Value.RetryDelay, false, cancellationToken)
                : checks.FinishAsync(identity.Id, check.CheckId, null, e.Message, cancellationToken));
        }
        finally
        {
            await lost.CancelAsync();
            await renewing;
            if (cancellationToken.IsCancellationRequested)
            {
                await GiveBackAsync(check.CheckId);
            }
        }

        return true;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.Value.Enabled)
        {
            return;
        }

        await migrator.Ready.WaitAsync(stoppingToken);
        await Task.WhenAll(WorkAsync(stoppingToken), ScheduleAsync(stoppingToken));
    }

    private async Task WorkAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            var worked = false;
            try
            {
                worked = await RunOnceAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(e.Message);
            }

            if (!worked)
            {
                await control.Doctor.WaitAsync((pace.MayRest ? IdlePace.Slowest : 1) * options.Value.MaintenanceInterval, time, stoppingToken);
            }
        }
    }

    // Not at once when the worker starts: it may have better things to do then.
    private async Task ScheduleAsync(CancellationToken stoppingToken)
    {
        var interval = options.Value.DoctorInterval;
        if (interval == TimeSpan.Zero)
        {
            return;
        }

        while (true)
        {
            await Task.Delay(interval / 10 < s_longestPause ? interval / 10 : s_longestPause, time, stoppingToken);
            try
            {
                if (await checks.ScheduleAsync(interval, options.Value.DoctorRepairs, stoppingToken))
                {
                    control.Doctor.Set();
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(e.Message);
            }
        }
    }

    // A check may take long; as long as it does, it is ours. When it is not any more, it is stopped.
    private async Task RenewAsync(long checkId, CancellationTokenSource lost)
    {
        try
        {
            while (true)
            {
                await Task.Delay(s_lease / 3, time, lost.Token);
                if (await checks.RenewAsync(identity.Id, checkId, s_lease, lost.Token) == 0)
                {
                    await lost.CancelAsync();
                }
            }
        }
        catch (Exception e)
        {
            // The check has ended, or the database is away: then the check fails as well.
            if (!lost.IsCancellationRequested)
            {
                LogFailed(e.Message);
            }
        }
    }

    private async Task GiveBackAsync(long checkId)
    {
        try
        {
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(2), time);
            await checks.ReleaseAsync(identity.Id, checkId, TimeSpan.Zero, true, soon.Token);
        }
        catch (Exception e)
        {
            LogFailed(e.Message);
        }
    }

    private void Log(DoctorReport report)
    {
        if (report.Healthy)
        {
            LogHealthy(report.Chunks, report.Seconds);
        }
        else
        {
            LogFaults(string.Join(", ", report.FaultsByKind.Select(k => $"{k.Value} {k.Key}")), report.Repaired);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "The index is sound: {Chunks} chunks were checked in {DurationSeconds} s.")]
    private partial void LogHealthy(long chunks, double durationSeconds);

    [LoggerMessage(2, LogLevel.Error, "The index has faults: {Faults}. Repaired: {Repaired}.")]
    private partial void LogFaults(string faults, bool repaired);

    [LoggerMessage(3, LogLevel.Warning, "The index could not be checked: {Reason}")]
    private partial void LogFailed(string reason);
}
