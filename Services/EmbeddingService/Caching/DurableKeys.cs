using Microsoft.Extensions.Options;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Caching;

/// <summary>
/// Knows which vectors PostgreSQL cannot have, so that a text that nobody asked for before is not looked up there: it reads all keys after the start, and
/// then, when it hears of some or twice a second, those that other replicas added. Until it has read them, while it cannot follow, and when there are too many, every key may be there.
/// </summary>
internal sealed partial class DurableKeys(
    IOptions<EmbeddingCacheOptions> options,
    ChangeNews news,
    TimeProvider time,
    ILogger<DurableKeys> logger,
    EmbeddingCacheStore? store = null,
    SchemaMigrator? schema = null)
    : BackgroundService
{
    private const int Page = 20_000;
    private const int MinCapacity = 1 << 16;

    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_intervalWithout = TimeSpan.FromMinutes(10);

    // How often it looks all the same while additions are notified.
    private static readonly TimeSpan s_intervalNotified = TimeSpan.FromSeconds(30);

    // After so long without a look, what is known is too old: where additions are notified, and elsewhere.
    private static readonly TimeSpan s_maxAge = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_maxAgeNotified = s_intervalNotified + s_maxAge;

    private readonly EmbeddingCacheStore? _store = options.Value is { Enabled: true, Durable: true, DurableKeysInMemory: > 0 } ? store : null;
    private volatile KeyFilter? _filling;
    private volatile KeyFilter? _filter;
    private long _followedAt;
    private long _followed;
    private string? _snapshot;

    /// <summary>Whether it knows of keys that are not there.</summary>
    public bool IsFollowing =>
        _filter is not null && time.GetElapsedTime(Volatile.Read(ref _followedAt)) <= (news.Hears ? s_maxAgeNotified : s_maxAge);

    /// <summary>Keys that were read because they had been added, since the start.</summary>
    public long Followed => Interlocked.Read(ref _followed);

    /// <summary>Whether PostgreSQL may have a vector.</summary>
    public bool MayHave(in VectorKey key) => !IsFollowing || _filter is not { } filter || filter.MayHave(key);

    /// <summary>Notes a vector that will be written.</summary>
    public void Add(in VectorKey key)
    {
        _filter?.Add(key);
        _filling?.Add(key);
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (schema is not null)
        {
            await schema.Ready.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        while (_store is not null && !stoppingToken.IsCancellationRequested)
        {
            var known = false;
            try
            {
                known = await StepAsync(_store, stoppingToken);
                if (!known)
                {
                    await Task.Delay(s_intervalWithout, time, stoppingToken);
                    continue;
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(e.GetType().Name);
            }

            // Every batch that is written is news: they are read together.
            await Task.Delay(s_interval, time, stoppingToken);
            if (known && news.Hears)
            {
                await news.WaitAsync(news.Vectors, TimeSpan.Zero, s_intervalNotified - s_interval, stoppingToken);
            }
        }
    }

    // False when there are too many keys.
    private async Task<bool> StepAsync(EmbeddingCacheStore keys, CancellationToken stoppingToken)
    {
        if (_filter is { } filter && filter.Count <= filter.Capacity)
        {
            await FollowAsync(keys, filter, stoppingToken);
            return true;
        }

        var entries = (await keys.MeasureAsync(stoppingToken)).Entries;
        if (entries > options.Value.DurableKeysInMemory)
        {
            _filter = _filling = null;
            return false;
        }

        await FillAsync(keys, new KeyFilter((int)Math.Clamp(2 * entries, MinCapacity, int.MaxValue)), stoppingToken);
        return true;
    }

    private async Task FillAsync(EmbeddingCacheStore keys, KeyFilter filter, CancellationToken stoppingToken)
    {
        // What is added meanwhile is noted in it, and what others add is read after it.
        _filling = filter;
        _snapshot = await keys.ReadAddedAsync(null, static (_, _) => { }, stoppingToken);
        var (space, hash) = ("", Array.Empty<byte>());
        for (var count = Page; count == Page;)
        {
            count = await keys.ReadKeysAsync(space, hash, Page, Note, stoppingToken);
        }

        await FollowAsync(keys, filter, stoppingToken);
        _filter = filter;
        _filling = null;

        void Note(string nextSpace, byte[] nextHash)
        {
            (space, hash) = (nextSpace, nextHash);
            filter.Add(new VectorKey(nextHash, nextSpace));
        }
    }

    private async Task FollowAsync(EmbeddingCacheStore keys, KeyFilter filter, CancellationToken stoppingToken)
    {
        var asOf = time.GetTimestamp();
        _snapshot = await keys.ReadAddedAsync(_snapshot, (space, hash) => Note(filter, space, hash), stoppingToken);
        Volatile.Write(ref _followedAt, asOf);
    }

    private void Note(KeyFilter filter, string space, byte[] hash)
    {
        filter.Add(new VectorKey(hash, space));
        Interlocked.Increment(ref _followed);
    }

    [LoggerMessage(1, LogLevel.Debug, "The keys of the durable cache cannot be read ({Failure}): it is asked for every text")]
    private partial void LogFailed(string failure);
}
