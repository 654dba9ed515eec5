using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Options;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Budgets;

/// <summary>
/// Lets a call to a provider through only when its workspace and key can pay for it: reserved before, settled after, by PostgreSQL, so that any number of
/// replicas together never spend more. Who has no budget costs nothing here. While PostgreSQL is away, workspaces with a hard budget are refused what
/// costs money (cached texts are answered), the others are not.
/// </summary>
internal sealed partial class BudgetGate : BackgroundService
{
    private const int MaxUnsettled = 100_000;

    private static readonly TimeSpan s_refreshInterval = TimeSpan.FromSeconds(1);

    // Changes are notified; what is left is to give back what dead processes reserved.
    private static readonly TimeSpan s_notifiedInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_forgetInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_maxFirstWait = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_maxFirstWaitOfNobody = TimeSpan.FromMilliseconds(200);

    private readonly EmbeddingBudgetStore? _store;
    private readonly SchemaMigrator? _schema;
    private readonly ChangeNews? _news;
    private readonly BudgetOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<BudgetGate> _logger;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _alerts;

    // Until budgets were read for the first time, nobody is known to have none.
    private readonly TaskCompletionSource _read = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // A thousand callers that want to reserve at once must not take the pool's connections from everybody else.
    private readonly SemaphoreSlim _connections = new(6);

    // What was spent and could not be booked, because PostgreSQL did not answer in time.
    private readonly ConcurrentQueue<Settlement> _unsettled = new();
    private volatile FrozenDictionary<string, Kind> _budgets = FrozenDictionary<string, Kind>.Empty;

    public BudgetGate(
        IOptions<BudgetOptions> options,
        TimeProvider time,
        IMeterFactory meters,
        ILogger<BudgetGate> logger,
        EmbeddingBudgetStore? store = null,
        SchemaMigrator? schema = null,
        ChangeNews? news = null)
    {
        _news = news;
        _store = store;
        _schema = schema;
        _options = options.Value;
        _time = time;
        _logger = logger;
        var meter = meters.Create(TierStatistics.MeterName);
        _refused = meter.CreateCounter<long>("rag.embedding.budget.refused", "{call}", "Calls that a hard budget refused.");
        _alerts = meter.CreateCounter<long>("rag.embedding.budget.alerts", "{alert}", "Thresholds of budgets that were crossed, by percent.");
    }

    private enum Kind
    {
        Soft,
        Hard,
    }

    /// <summary>Reserves what a call may cost at most.</summary>
    /// <param name="call">The call.</param>
    /// <param name="tokens">Its tokens, estimated.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>To be disposed after the call: then what was spent is settled.</returns>
    /// <exception cref="BudgetException">A hard budget leaves no room.</exception>
    public async ValueTask<Reservation> ReserveAsync(EmbeddingCall call, long tokens, CancellationToken cancellationToken)
    {
        var model = call.Target.Model.Definition;
        if (_store is not null && !_read.Task.IsCompleted)
        {
            await WaitForFirstReadAsync(call, cancellationToken);
        }

        if (_store is null || !_budgets.TryGetValue(call.Workspace, out var kind))
        {
            return new Reservation(null, model, call.Workspace, call.KeyId, Guid.Empty);
        }

        var id = Guid.CreateVersion7(_time.GetUtcNow());
        if (kind == Kind.Hard)
        {
            await ReserveAsync(call, id, model.Cost(tokens), tokens, cancellationToken);
        }

        return new Reservation(this, model, call.Workspace, call.KeyId, id);
    }

    /// <summary>Reads which workspaces have budgets. Called by itself when it hears of a change, or every second.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        if (_store is not null)
        {
            var rows = await _store.ListAsync(null, cancellationToken);
            _budgets = rows.GroupBy(row => row.Workspace)
                .ToFrozenDictionary(rows => rows.Key, rows => rows.Any(row => row.Hard) ? Kind.Hard : Kind.Soft, StringComparer.Ordinal);
            _read.TrySetResult();
        }
    }

    /// <summary>When a period of that kind ends.</summary>
    internal static DateTimeOffset ResetOf(string period, DateTimeOffset now)
    {
        var day = new DateTimeOffset(now.UtcDateTime.Date, TimeSpan.Zero);
        return period == "month" ? day.AddDays(1 - day.Day).AddMonths(1) : day.AddDays(1);
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (_schema is not null)
        {
            await _schema.Ready.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        var forgotAt = _time.GetTimestamp();
        while (_store is not null && !stoppingToken.IsCancellationRequested)
        {
            try
            {
                await RefreshAsync(stoppingToken);
                await SettleLateAsync();
                if (_time.GetElapsedTime(forgotAt) >= s_forgetInterval)
                {
                    // The rest of a great many goes the next times.
                    forgotAt = _time.GetTimestamp();
                    await _store.ForgetSettledAsync(stoppingToken);
                }

                if (_budgets.Count > 0 && await _store!.ReturnExpiredAsync(stoppingToken) is > 0 and var returned)
                {
                    LogReturned(returned);
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogUnreadable(e.GetType().Name);
            }

            await (_news is { } news && _unsettled.IsEmpty
                ? news.WaitAsync(news.Budgets, s_refreshInterval, s_notifiedInterval, stoppingToken)
                : Task.Delay(s_refreshInterval, _time, stoppingToken));
        }
    }

    /// <inheritdoc />
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await SettleLateAsync();
    }

    // A process that starts while PostgreSQL is away knows of no budget: calls in a workspace's name are refused then, as while it is away later.
    private async Task WaitForFirstReadAsync(EmbeddingCall call, CancellationToken cancellationToken)
    {
        try
        {
            await _read.Task.WaitAsync(call.Workspace.Length > 0 ? s_maxFirstWait : s_maxFirstWaitOfNobody, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            if (call.Workspace.Length > 0)
            {
                throw new BudgetException("period", null, TimeSpan.Zero);
            }
        }
    }

    private async Task ReserveAsync(EmbeddingCall call, Guid id, decimal micro, long tokens, CancellationToken cancellationToken)
    {
        var start = _time.GetTimestamp();
        var delay = TimeSpan.FromMilliseconds(10);
        while (true)
        {
            var reserved = await AskAsync(
                store => store.ReserveAsync(call.Workspace, call.KeyId, id, micro, tokens, _options.Lease, cancellationToken), cancellationToken);
            if (reserved is null or { RefusedBy: null })
            {
                await ThrottleAsync(call, reserved?.Used ?? 0, cancellationToken);
                return;
            }

            if (reserved.SpentOut || _time.GetElapsedTime(start) >= _options.MaxWait)
            {
                _refused.Add(1);
                var now = _time.GetUtcNow();
                var reset = ResetOf(reserved.RefusedPeriod!, now);
                throw new BudgetException(reserved.RefusedPeriod!, reset, reset - now);
            }

            await Task.Delay(delay, _time, cancellationToken);
            delay = delay < TimeSpan.FromMilliseconds(100) ? delay * 1.5 : delay;
        }
    }

    private async Task ThrottleAsync(EmbeddingCall call, double used, CancellationToken cancellationToken)
    {
        if (!call.Interactive && used > _options.ThrottleFrom && _options.ThrottleFrom < 1)
        {
            await Task.Delay(_options.MaxThrottle * Math.Min(1, (used - _options.ThrottleFrom) / (1 - _options.ThrottleFrom)), _time, cancellationToken);
        }
    }

    private async Task<T> AskAsync<T>(Func<EmbeddingBudgetStore, Task<T>> ask, CancellationToken cancellationToken)
    {
        await _connections.WaitAsync(cancellationToken);
        try
        {
            return await ask(_store!).WaitAsync(TimeSpan.FromSeconds(5), _time, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogUnreadable(e.GetType().Name);
            throw new BudgetException("period", null, TimeSpan.Zero);
        }
        finally
        {
            _connections.Release();
        }
    }

    private async Task SettleAsync(Settlement settlement)
    {
        if (!await TrySettleAsync(settlement))
        {
            // PostgreSQL may have booked it all the same, or do so yet: a settlement is booked once, however often it is sent.
            if (_unsettled.Count < MaxUnsettled)
            {
                _unsettled.Enqueue(settlement);
            }
            else
            {
                LogUnsettled(settlement.Workspace, settlement.Tokens);
            }
        }
    }

    private async Task<bool> TrySettleAsync(Settlement settlement)
    {
        try
        {
            foreach (var alert in await AskAsync(
                store => store.SettleAsync(
                    settlement.Workspace, settlement.KeyId, settlement.Id, settlement.Micro, settlement.Tokens, CancellationToken.None),
                CancellationToken.None))
            {
                _alerts.Add(1, new KeyValuePair<string, object?>("percent", alert.Percent));
                LogAlert(alert.Hard ? "hard" : "soft", alert.Period, settlement.Workspace, alert.Percent);
            }

            return true;
        }
        catch (BudgetException)
        {
            return false;
        }
    }

    private async Task SettleLateAsync()
    {
        for (var left = _unsettled.Count; left > 0 && _unsettled.TryPeek(out var settlement) && await TrySettleAsync(settlement); left--)
        {
            _unsettled.TryDequeue(out _);
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Budgets cannot be read or written ({Failure})")]
    private partial void LogUnreadable(string failure);

    [LoggerMessage(2, LogLevel.Warning, "The {Kind} budget per {Period} of workspace {Workspace} has reached {Percent} %")]
    private partial void LogAlert(string kind, string period, string workspace, int percent);

    [LoggerMessage(3, LogLevel.Error, "{Tokens} tokens of workspace {Workspace} were spent, but could not be booked")]
    private partial void LogUnsettled(string workspace, long tokens);

    [LoggerMessage(4, LogLevel.Warning, "{Reservations} reservations of dead processes were given back")]
    private partial void LogReturned(long reservations);

    /// <summary>What a call has spent.</summary>
    private sealed record Settlement(string Workspace, string KeyId, Guid Id, decimal Micro, long Tokens);

    /// <summary>What a call may spend.</summary>
    internal sealed class Reservation : IAsyncDisposable
    {
        private readonly BudgetGate? _gate;
        private readonly ModelDefinition _model;
        private readonly ITimer? _renewal;
        private long _spent;

        internal Reservation(BudgetGate? gate, ModelDefinition model, string workspace, string keyId, Guid id)
        {
            _gate = gate;
            _model = model;
            Workspace = workspace;
            KeyId = keyId;
            Id = id;
            if (gate is not null)
            {
                var interval = gate._options.Lease / 3;
                _renewal = gate._time.CreateTimer(_ => _ = RenewAsync(gate), null, interval, interval);
            }
        }

        public string Workspace { get; }

        public string KeyId { get; }

        public Guid Id { get; }

        /// <summary>Tokens that the provider counted.</summary>
        public void Spend(long tokens) => Interlocked.Add(ref _spent, tokens);

        public async ValueTask DisposeAsync()
        {
            if (_gate is not null)
            {
                await _renewal!.DisposeAsync();
                var spent = Interlocked.Read(ref _spent);
                await _gate.SettleAsync(new(Workspace, KeyId, Id, spent * _model.PricePerMillionTokens, spent));
            }
        }

        private async Task RenewAsync(BudgetGate gate)
        {
            try
            {
                await gate._store!.RenewAsync(Id, gate._options.Lease, CancellationToken.None);
            }
            catch (Exception e)
            {
                gate.LogUnreadable(e.GetType().Name);
            }
        }
    }
}
