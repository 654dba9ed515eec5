using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Documents;
using RagPlatform.ServiceDefaults.Connections;
using RagPlatform.Storage;
using StackExchange.Redis;

namespace RagPlatform.SearchApi.Search;

/// <summary>
/// Computes the answers of popular searches before they are asked for: at start, with what Valkey remembers of earlier processes, and when a
/// workspace has changed and is quiet again. One search at a time, so many at most, and none while others wait for their turn.
/// </summary>
internal sealed partial class WarmUp(
    PopularQueries popular,
    SearchService search,
    SearchGate gate,
    WorkspaceStore workspaces,
    GenerationSignal signal,
    CacheConnection valkey,
    SchemaMigrator schema,
    IOptions<SearchOptions> options,
    TimeProvider time,
    ILogger<WarmUp> logger) : BackgroundService, IHealthCheck
{
    // A sorted set of searches by how often they were asked for.
    private const string Key = "rag:search:popular:v1";

    // At each saving what was counted before loses a twentieth: after a quarter of an hour, half.
    private const double Decay = 0.95;

    private const int Attempts = 5;

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_step = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_saveInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_memory = TimeSpan.FromDays(1);

    private readonly ConcurrentDictionary<int, long> _changed = new();
    private volatile bool _isReady;

    /// <summary>Unhealthy until the searches at start are done, or their time is over.</summary>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(_isReady ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy("Popular searches are being prepared."));

    /// <summary>
    /// Writes to Valkey what was asked for since it was called last; what Valkey does not take is written the next time. Forgets, here and there, what
    /// was asked of workspaces that were deleted meanwhile.
    /// </summary>
    internal async Task SaveAsync(CancellationToken cancellationToken)
    {
        await ForgetDeletedAsync(cancellationToken);
        var asked = popular.TakeNew();
        if (asked.Count > 0 && !(await PatientlyAsync(db => SaveAsync(db, asked), cancellationToken)).Answered)
        {
            popular.Return(asked);
        }
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value.WarmUpQueries == 0)
        {
            _isReady = true;
            return;
        }

        signal.Raised += OnRaised;
        try
        {
            await BeginAsync(stoppingToken);
            var savedAt = time.GetTimestamp();
            while (true)
            {
                await Task.Delay(s_step, time, stoppingToken);
                try
                {
                    await WarmChangedAsync(stoppingToken);
                    if (time.GetElapsedTime(savedAt) >= s_saveInterval)
                    {
                        savedAt = time.GetTimestamp();
                        await SaveAsync(stoppingToken);
                    }
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    LogFailed(e.GetType().Name);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process ends.
        }
        finally
        {
            signal.Raised -= OnRaised;
            await SaveAtLastAsync();
        }
    }

    private async Task SaveAtLastAsync()
    {
        try
        {
            await (_isReady ? SaveAsync(CancellationToken.None) : Task.CompletedTask);
        }
        catch (Exception e)
        {
            LogFailed(e.GetType().Name);
        }
    }

    private async Task BeginAsync(CancellationToken stoppingToken)
    {
        await schema.Ready.WaitAsync(stoppingToken);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        deadline.CancelAfter(options.Value.WarmUpTimeout);
        var warming = RestoreAndWarmAsync(deadline.Token);
        try
        {
            // A search that was begun goes on, because others may wait for it: readiness does not.
            LogWarmed(await warming.WaitAsync(deadline.Token));
        }
        catch (Exception e) when (!stoppingToken.IsCancellationRequested)
        {
            LogFailed(e.GetType().Name);
        }
        finally
        {
            _isReady = true;
            _ = warming.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }
    }

    private async Task<int> RestoreAndWarmAsync(CancellationToken cancellationToken)
    {
        await RestoreAsync(cancellationToken);
        return await WarmAsync(popular.Top(null, options.Value.WarmUpQueries), cancellationToken);
    }

    private async Task<bool> SaveAsync(IDatabase db, IReadOnlyList<(PopularQuery Query, double Count)> asked)
    {
        var writes = db.CreateBatch();
        List<Task> written = [writes.SortedSetCombineAndStoreAsync(SetOperation.Union, Key, [Key], [Decay])];
        foreach (var (query, count) in asked)
        {
            written.Add(writes.SortedSetIncrementAsync(Key, JsonSerializer.SerializeToUtf8Bytes(query, RagJson.Options), count));
        }

        written.Add(writes.SortedSetRemoveRangeByRankAsync(Key, 0, -1 - Math.Max(1, 2 * options.Value.WarmUpQueries)));
        written.Add(writes.KeyExpireAsync(Key, s_memory));
        writes.Execute();
        await Task.WhenAll(written);
        return true;
    }

    // A command's time limit is meant for those whom somebody waits for. A repeated save counts twice what a late one had counted: harmless.
    private async Task<CacheAnswer<T>> PatientlyAsync<T>(Func<IDatabase, Task<T>> command, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var answer = await valkey.TryGetAsync(command, cancellationToken);
            if (answer.Answered || attempt == Attempts || !valkey.IsConfigured)
            {
                return answer;
            }

            await Task.Delay(s_pause, time, cancellationToken);
        }
    }

    private async Task ForgetDeletedAsync(CancellationToken cancellationToken)
    {
        var (answered, members) = await PatientlyAsync(db => db.SortedSetRangeByRankAsync(Key), cancellationToken);
        var remembered = (answered ? members! : []).Select(member => (Member: member, Query: Read(member))).ToList();
        int[] known = [.. remembered.Where(r => r.Query is not null).Select(r => r.Query!.WorkspaceId).Concat(popular.Workspaces()).Distinct()];
        if (known.Length == 0)
        {
            return;
        }

        var live = await workspaces.FindLiveAsync(known, cancellationToken);
        foreach (var workspaceId in known.Where(id => !live.Contains(id)))
        {
            popular.Forget(workspaceId);
        }

        RedisValue[] dead = [.. remembered.Where(r => r.Query is not null && !live.Contains(r.Query.WorkspaceId)).Select(r => r.Member)];
        if (dead.Length > 0)
        {
            await PatientlyAsync(db => db.SortedSetRemoveAsync(Key, dead), cancellationToken);
        }
    }

    private async Task RestoreAsync(CancellationToken cancellationToken)
    {
        var (answered, entries) = await PatientlyAsync(
            db => db.SortedSetRangeByRankWithScoresAsync(Key, 0, options.Value.WarmUpQueries - 1, Order.Descending), cancellationToken);
        foreach (var entry in answered ? entries! : [])
        {
            if (Read(entry.Element) is { } query)
            {
                popular.Restore(query, ResultCache.HashOf(query.Request), entry.Score);
            }
        }
    }

    private static PopularQuery? Read(RedisValue member)
    {
        try
        {
            return JsonSerializer.Deserialize<PopularQuery>((byte[])member!, RagJson.Options) is { Request: not null } query ? query : null;
        }
        catch (JsonException)
        {
            // Written by another version.
            return null;
        }
    }

    // Those that change all the time would be warmed in vain: only when nothing has changed for a moment.
    private async Task WarmChangedAsync(CancellationToken cancellationToken)
    {
        foreach (var (workspaceId, changedAt) in _changed)
        {
            if (time.GetElapsedTime(changedAt) >= s_step && _changed.TryRemove(new(workspaceId, changedAt)))
            {
                if (!(await workspaces.FindLiveAsync([workspaceId], cancellationToken)).Contains(workspaceId))
                {
                    await ForgetDeletedAsync(cancellationToken);
                    continue;
                }

                using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                deadline.CancelAfter(options.Value.WarmUpTimeout);
                await WarmAsync(popular.Top(workspaceId, options.Value.WarmUpQueries), deadline.Token);
            }
        }
    }

    private async Task<int> WarmAsync(IReadOnlyList<PopularQuery> queries, CancellationToken cancellationToken)
    {
        var (warmed, known) = (0, new Dictionary<int, WorkspaceRow?>());
        foreach (var query in queries)
        {
            // Whoever asks now goes first.
            if (gate.IsBusy || cancellationToken.IsCancellationRequested)
            {
                break;
            }

            if (!known.TryGetValue(query.WorkspaceId, out var workspace))
            {
                workspace = known[query.WorkspaceId] = await workspaces.FindAsync(query.Workspace, cancellationToken);
            }

            if (workspace?.WorkspaceId != query.WorkspaceId)
            {
                continue;
            }

            var read = SearchRequestReader.Read(workspace, query.Request, out var errors);
            if (errors.Count == 0)
            {
                await search.PrepareAsync(read, cancellationToken);
                warmed++;
            }
        }

        return warmed;
    }

    private void OnRaised(int workspaceId) => _changed[workspaceId] = time.GetTimestamp();

    [LoggerMessage(1, LogLevel.Debug, "Prepared the answers of {Count} popular searches.")]
    private partial void LogWarmed(int count);

    [LoggerMessage(2, LogLevel.Debug, "Popular searches could not be prepared ({Failure}).")]
    private partial void LogFailed(string failure);
}
