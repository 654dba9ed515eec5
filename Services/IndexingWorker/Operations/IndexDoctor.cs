using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Operations;

/// <summary>Checks the index when it is asked to, and on a schedule.</summary>
internal sealed partial class IndexDoctor(
    DoctorStore doctor,
    RepairStore repairs,
    SpaceStore spaces,
    SchemaMigrator migrator,
    IOptions<IndexingOptions> options,
    TimeProvider time,
    ILogger<IndexDoctor> logger) : BackgroundService
{
    private const int MaxFaults = 1000;

    /// <summary>What the last scheduled check found, or null.</summary>
    public DoctorReport? LastReport { get; private set; }

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

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value.DoctorInterval == TimeSpan.Zero)
        {
            return;
        }

        await migrator.Ready.WaitAsync(stoppingToken);
        while (true)
        {
            // Workers of one installation do not all begin at once.
            await Task.Delay(options.Value.DoctorInterval * (0.9 + (Random.Shared.NextDouble() * 0.2)), time, stoppingToken);
            try
            {
                LastReport = await CheckAsync(null, options.Value.DoctorRepairs, stoppingToken);
                if (LastReport.Healthy)
                {
                    LogHealthy(LastReport.Chunks, LastReport.Seconds);
                }
                else
                {
                    LogFaults(string.Join(", ", LastReport.FaultsByKind.Select(k => $"{k.Value} {k.Key}")), LastReport.Repaired);
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(e.Message);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Information, "The index is sound: {Chunks} chunks were checked in {DurationSeconds} s.")]
    private partial void LogHealthy(long chunks, double durationSeconds);

    [LoggerMessage(2, LogLevel.Error, "The index has faults: {Faults}. Repaired: {Repaired}.")]
    private partial void LogFaults(string faults, bool repaired);

    [LoggerMessage(3, LogLevel.Warning, "The index could not be checked: {Reason}")]
    private partial void LogFailed(string reason);
}
