using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.SearchApi.Search;

/// <summary>
/// Answers that were given before, in memory and in Valkey. The key has the workspace's generation, which the caller has just read from
/// PostgreSQL: a change raises it in its own transaction, so after a write's answer no older result can be found, in this process or another.
/// </summary>
internal sealed class ResultCache : IDisposable
{
    private readonly CacheConnection _valkey;
    private readonly SearchMetrics _metrics;
    private readonly SearchOptions _options;
    private readonly MemoryCache _memory;
    private readonly ConcurrentDictionary<string, Task<SearchResponse>> _running = new(StringComparer.Ordinal);

    public ResultCache(CacheConnection valkey, SearchMetrics metrics, IOptions<SearchOptions> options)
    {
        _valkey = valkey;
        _metrics = metrics;
        _options = options.Value;
        _memory = new(new MemoryCacheOptions { SizeLimit = _options.CachedMegabytes * 1024L * 1024 });
    }

    /// <summary>The key of a search's answer. Text and filter are hashed, so that they are not readable in Valkey.</summary>
    /// <param name="query">The search.</param>
    /// <param name="generation">The generation that the answer reflects at least.</param>
    /// <param name="hash">What <see cref="HashOf"/> says of its request.</param>
    public static string KeyOf(SearchQuery query, long generation, string hash) => string.Create(
        CultureInfo.InvariantCulture, $"rag:search:v2:{query.WorkspaceId}:{generation}:{query.Space.Id}:{hash}");

    /// <summary>Equal for requests that have the same answer.</summary>
    public static string HashOf(SearchRequest request) => Convert.ToHexStringLower(SHA256.HashData(
        JsonSerializer.SerializeToUtf8Bytes(request with { MinGeneration = null, NoCache = false }, RagJson.Options)));

    /// <summary>Finds an answer, or joins in computing it when somebody else does already, or computes it.</summary>
    /// <param name="key">The answer's key.</param>
    /// <param name="compute">Computes it. It is not cancelled with the caller, because others may wait for the same.</param>
    /// <param name="cancellationToken">Cancels waiting.</param>
    /// <returns>The answer, and whether it was there.</returns>
    public async ValueTask<(SearchResponse Response, bool Cached)> GetAsync(
        string key, Func<Task<SearchResponse>> compute, CancellationToken cancellationToken)
    {
        if (_memory.TryGetValue(key, out SearchResponse? known))
        {
            _metrics.CountCache("memory");
            return (known!, true);
        }

        if (await FindInValkeyAsync(key, cancellationToken) is { } remembered)
        {
            Remember(key, remembered);
            _metrics.CountCache("valkey");
            return (remembered, true);
        }

        var created = new TaskCompletionSource<SearchResponse>(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = _running.GetOrAdd(key, created.Task);
        if (running != created.Task)
        {
            _metrics.CountCache("joined");
            return (await running.WaitAsync(cancellationToken), true);
        }

        _metrics.CountCache("miss");
        try
        {
            var response = await compute();
            created.SetResult(response);
            if (response.Degraded is not null)
            {
                // The next one may have what this one had to do without.
                return (response, false);
            }

            Remember(key, response);
            if (_valkey.IsAvailable)
            {
                var json = JsonSerializer.SerializeToUtf8Bytes(response, RagJson.Options);
                await _valkey.TryAsync(db => db.StringSetAsync(key, json, _options.ResultLifetime), CancellationToken.None);
            }

            return (response, false);
        }
        catch (Exception e)
        {
            created.SetException(e);
            _ = created.Task.Exception;
            throw;
        }
        finally
        {
            _running.TryRemove(key, out _);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _memory.Dispose();

    private async ValueTask<SearchResponse?> FindInValkeyAsync(string key, CancellationToken cancellationToken)
    {
        if (!_valkey.IsAvailable)
        {
            return null;
        }

        var (answered, value) = await _valkey.TryGetAsync(db => db.StringGetAsync(key), cancellationToken);
        if (!answered || value.IsNull)
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize<SearchResponse>((byte[])value!, RagJson.Options);
        }
        catch (JsonException)
        {
            // Written by another version: a miss.
            return null;
        }
    }

    /// <summary>About how many bytes an answer takes in memory.</summary>
    internal static long SizeOf(SearchResponse response)
    {
        const long Overhead = 200;
        return Overhead + response.Hits.Sum(hit => Overhead
            // A document of JSON is kept as UTF-8, with 12 bytes for each token.
            + (2L * (hit.DocumentId.Length + hit.Title.Length + hit.Heading.Length + hit.Text.Length)) + (4L * hit.Metadata.GetRawText().Length)
            + (hit.Highlights ?? []).Sum(text => Overhead + (2L * text.Length))
            + (hit.Neighbors ?? []).Concat(hit.Passages ?? []).Sum(passage => Overhead + (2L * passage.Text.Length)));
    }

    private void Remember(string key, SearchResponse response)
    {
        using var entry = _memory.CreateEntry(key);
        entry.Value = response;

        // One limit for both: no answer counts for less than its share of the number of answers.
        entry.Size = Math.Max(SizeOf(response), _options.CachedMegabytes * 1024L * 1024 / _options.CachedResults);
        entry.SlidingExpiration = _options.MemoryLifetime;
    }
}
