using System.Diagnostics.Metrics;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Budgets;

/// <summary>Adds up what is used, and writes it to PostgreSQL every second. While PostgreSQL is away it goes on adding up.</summary>
internal sealed partial class UsageRecorder : BackgroundService
{
    private static readonly Tier[] s_tiers = Enum.GetValues<Tier>();
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    private readonly EmbeddingUsageStore? _store;
    private readonly TimeProvider _time;
    private readonly ILogger<UsageRecorder> _logger;
    private readonly Counter<long> _tokens;
    private readonly Counter<double> _dollars;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _flushing = new(1);
    private Dictionary<Key, Sums> _sums = [];
    private bool _failed;

    public UsageRecorder(TimeProvider time, IMeterFactory meters, ILogger<UsageRecorder> logger, EmbeddingUsageStore? store = null)
    {
        _store = store;
        _time = time;
        _logger = logger;
        var meter = meters.Create(TierStatistics.MeterName);
        _tokens = meter.CreateCounter<long>("rag.embedding.tokens", "{token}", "Tokens of texts, by tier: only those of tier source were paid.");
        _dollars = meter.CreateCounter<double>("rag.embedding.cost", "{USD}", "What vectors of tier source cost, and what those of the other tiers would have cost.");
    }

    /// <summary>Notes an answered request: what it got without paying.</summary>
    public void RecordSaved(EmbeddingCall call, in TierCounts tiers)
    {
        foreach (var tier in s_tiers)
        {
            if (tier != Tier.Source && tiers.Texts(tier) is > 0 and var texts)
            {
                Record(call, tier, 1, texts, tiers.Tokens(tier));
            }
        }
    }

    /// <summary>Notes what a provider answered, and what it counted for it.</summary>
    /// <param name="call">For whom.</param>
    /// <param name="requests">1 for the first answer of a request, 0 for the others.</param>
    /// <param name="texts">Texts.</param>
    /// <param name="tokens">Their tokens.</param>
    public void RecordBought(EmbeddingCall call, int requests, int texts, long tokens) => Record(call, Tier.Source, requests, texts, tokens);

    private void Record(EmbeddingCall call, Tier tier, int requests, int texts, long tokens)
    {
        var model = call.Target.Model.Definition;
        var day = DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime);
        var micro = tokens * model.PricePerMillionTokens;
        var tag = new KeyValuePair<string, object?>("tier", TierStatistics.Name(tier));
        _tokens.Add(tokens, tag);
        _dollars.Add((double)micro / 1e6, tag);
        if (_store is null)
        {
            return;
        }

        lock (_lock)
        {
            var key = new Key(call.Workspace, day, call.KeyId, model.Name, tier);
            _sums[key] = _sums.TryGetValue(key, out var sums)
                ? new Sums(sums.Requests + requests, sums.Texts + texts, sums.Tokens + tokens, sums.Micro + micro)
                : new Sums(requests, texts, tokens, micro);
        }
    }

    /// <summary>Writes what was added up.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (_store is null)
        {
            return;
        }

        await _flushing.WaitAsync(cancellationToken);
        try
        {
            Dictionary<Key, Sums> sums;
            lock (_lock)
            {
                if (_sums.Count == 0)
                {
                    return;
                }

                (sums, _sums) = (_sums, []);
            }

            try
            {
                await _store.AddAsync(
                    [.. sums.Select(pair => new EmbeddingUsageRow(
                        pair.Key.Workspace, pair.Key.Day, pair.Key.KeyId, pair.Key.Model, TierStatistics.Name(pair.Key.Tier),
                        pair.Value.Requests, pair.Value.Texts, pair.Value.Tokens, pair.Value.Micro))],
                    cancellationToken);
                _failed = false;
            }
            catch (Exception e)
            {
                GiveBack(sums);
                if (!_failed)
                {
                    _failed = true;
                    LogUnwritten(e.GetType().Name);
                }
            }
        }
        finally
        {
            _flushing.Release();
        }
    }

    /// <inheritdoc />
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await FlushAsync(cancellationToken);
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_interval, _time);
        while (_store is not null && await timer.WaitForNextTickAsync(stoppingToken))
        {
            await FlushAsync(stoppingToken);
        }
    }

    private void GiveBack(Dictionary<Key, Sums> sums)
    {
        lock (_lock)
        {
            foreach (var (key, old) in sums)
            {
                _sums[key] = _sums.TryGetValue(key, out var now)
                    ? new Sums(now.Requests + old.Requests, now.Texts + old.Texts, now.Tokens + old.Tokens, now.Micro + old.Micro)
                    : old;
            }
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Usage cannot be written ({Failure}); it is kept until it can")]
    private partial void LogUnwritten(string failure);

    private readonly record struct Key(string Workspace, DateOnly Day, string KeyId, string Model, Tier Tier);

    private readonly record struct Sums(long Requests, long Texts, long Tokens, decimal Micro);
}
