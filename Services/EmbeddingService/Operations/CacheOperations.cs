using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Wire;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Operations;

/// <summary>Looks at the cache, empties and fills it.</summary>
internal sealed class CacheOperations(
    MemoryTier memory,
    ValkeyTier valkey,
    DurableTier durable,
    VectorFetcher fetcher,
    EmbeddingGateway gateway,
    ModelRegistry registry,
    ModelAliases aliases,
    TierStatistics statistics,
    TimeProvider time,
    EmbeddingCacheStore? store = null,
    EmbeddingQueryStore? queries = null)
{
    private const int Step = 1_000;

    /// <summary>What the tiers hold and did.</summary>
    public async Task<CacheReport> ReportAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var l2 = await valkey.MeasureAsync(cancellationToken);
        EmbeddingCacheSize? l3 = null;
        if (durable.IsConfigured)
        {
            try
            {
                l3 = await store!.MeasureAsync(cancellationToken).WaitAsync(TimeSpan.FromSeconds(2), time, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // Away: the report says so.
            }
        }

        return new CacheReport(
            [
                Report(Tier.L1, "on", memory.Count, memory.Bytes, memory.OldestAge is { } age ? now - age : null),
                Report(Tier.L2, !valkey.IsConfigured ? "off" : l2 is null ? "away" : "on", l2?.Entries, l2?.Bytes, null),
                Report(Tier.L3, !durable.IsConfigured ? "off" : l3 is null ? "away" : "on", l3?.Entries, l3?.Bytes, l3?.Oldest),
                Report(Tier.Source, "on", null, null, null),
            ],
            fetcher.InFlight,
            durable.Pending);
    }

    /// <summary>Removes vectors from every tier that answers.</summary>
    /// <exception cref="GatewayException">There is no such model, or nothing was asked for.</exception>
    public async Task<CacheInvalidated> InvalidateAsync(CacheInvalidate request, CancellationToken cancellationToken)
    {
        if (request.Texts is { Count: > 0 } texts)
        {
            var target = registry.Resolve(Name(request.Model, ""), request.Dimensions);
            return await RemoveAsync([.. texts.SelectMany(text => KeysOf(target, text)).Distinct()], cancellationToken);
        }

        if (request.OlderThanSeconds is { } seconds)
        {
            var age = TimeSpan.FromSeconds(seconds);
            var space = request.Model is null ? "" : registry.Resolve(Name(request.Model, ""), request.Dimensions).Id;
            var l1 = memory.RemoveWhere((key, written) => written > age && (space.Length == 0 || key.Space == space));
            return new CacheInvalidated(l1, 0, await StepwiseAsync(limit => store!.DeleteOlderAsync(time.GetUtcNow() - age, space, limit, cancellationToken)));
        }

        if (request is { All: true, Model: not null })
        {
            var space = registry.Resolve(Name(request.Model, ""), request.Dimensions).Id;
            return new CacheInvalidated(
                memory.RemoveWhere((key, _) => key.Space == space),
                await valkey.RemoveSpaceAsync(space, cancellationToken),
                await StepwiseAsync(limit => store!.DeleteSpaceAsync(space, limit, cancellationToken)));
        }

        throw GatewayException.Invalid("Say what to remove: texts, all of a model, or olderThanSeconds.", null);
    }

    /// <summary>Brings vectors into memory.</summary>
    /// <exception cref="GatewayException">There is no such model, or nothing was asked for.</exception>
    public async Task<CacheWarmed> WarmAsync(CacheWarm request, CancellationToken cancellationToken)
    {
        if (request.Texts is { Count: > 0 } texts)
        {
            var target = registry.Resolve(Name(request.Model, request.Workspace ?? ""), null);
            var input = request.Input == "query" ? EmbeddingInput.Query : EmbeddingInput.Document;
            var result = await gateway.EmbedAsync(new EmbeddingCall(target, texts, input, false, request.Workspace ?? "", ""), cancellationToken);
            return new CacheWarmed(
                texts.Count,
                result.Tiers.Texts(Tier.L1) + result.Tiers.Texts(Tier.Joined),
                result.Tiers.Texts(Tier.L2),
                result.Tiers.Texts(Tier.L3),
                result.Tiers.Texts(Tier.Source),
                0);
        }

        return request.Workspace is { } workspace
            ? await WarmFrequentAsync(workspace, request.Limit, cancellationToken)
            : throw GatewayException.Invalid("Say what to bring into memory: texts, or the frequent queries of a workspace.", null);
    }

    /// <summary>Brings the most frequent queries into memory from L2 and L3. What is in neither cannot be: only hashes are known.</summary>
    /// <param name="workspace">One workspace; null for all.</param>
    /// <param name="limit">Queries, at most.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task<CacheWarmed> WarmFrequentAsync(string? workspace, int limit, CancellationToken cancellationToken)
    {
        var rows = queries is null ? [] : await queries.ListTopAsync(workspace, limit, cancellationToken);
        var dimensions = registry.Models.ToDictionary(model => model.Definition.Space.Id, model => model.Definition.Space.Dimensions);
        var (l1, l2, l3) = (0, 0, 0);
        foreach (var space in rows.Where(row => dimensions.ContainsKey(row.Space)).GroupBy(row => row.Space))
        {
            foreach (var chunk in space.Select(row => new VectorKey(row.TextHash, space.Key)).Chunk(100))
            {
                var keys = chunk.Where(key => !memory.TryGet(key, out _)).ToArray();
                l1 += chunk.Length - keys.Length;
                l2 += Keep(keys, await valkey.GetAsync(keys, dimensions[space.Key], cancellationToken), out var missing);
                l3 += Keep(missing, await durable.GetAsync(missing, dimensions[space.Key], cancellationToken), out _);
            }
        }

        return new CacheWarmed(rows.Count, l1, l2, l3, 0, rows.Count - l1 - l2 - l3);
    }

    private int Keep(VectorKey[] keys, CachedVector?[] found, out VectorKey[] missing)
    {
        var rest = new List<VectorKey>();
        for (var i = 0; i < keys.Length; i++)
        {
            if (found[i] is { } vector)
            {
                memory.Add(keys[i], vector);
            }
            else
            {
                rest.Add(keys[i]);
            }
        }

        missing = [.. rest];
        return keys.Length - missing.Length;
    }

    private async Task<CacheInvalidated> RemoveAsync(VectorKey[] keys, CancellationToken cancellationToken)
    {
        // From the slowest tier up: a reader in between may bring back only what is gone below.
        var l3 = durable.IsConfigured ? await store!.DeleteAsync(keys[0].Space, [.. keys.Select(key => key.HashBytes())], cancellationToken) : 0;
        var l2 = await valkey.RemoveAsync(keys);
        return new CacheInvalidated(keys.Count(key => memory.Remove(key)), l2, l3);
    }

    private async Task<long> StepwiseAsync(Func<int, Task<int>> deleteAsync)
    {
        if (!durable.IsConfigured)
        {
            return 0;
        }

        var removed = 0L;
        int step;
        do
        {
            step = await deleteAsync(Step);
            removed += step;
        }
        while (step == Step);
        return removed;
    }

    private string Name(string? model, string workspace) => aliases.Resolve(model ?? ModelAliases.Default, workspace, registry.DefaultModel);

    private static IEnumerable<VectorKey> KeysOf(ModelSpace target, string text) =>
    [
        VectorKey.Create(target.Prompt(EmbeddingInput.Query), text, target.Id),
        VectorKey.Create(target.Prompt(EmbeddingInput.Document), text, target.Id),
    ];

    private TierReport Report(Tier tier, string state, long? entries, long? bytes, DateTimeOffset? oldest)
    {
        var (hits, misses, errors, corrupt) = statistics.Read(tier);
        return new TierReport(TierStatistics.Name(tier), state, entries, bytes, hits, misses, errors, corrupt, oldest);
    }
}
