using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using RagPlatform.EmbeddingService.Budgets;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>
/// Gets vectors that are not in memory: from Valkey, from PostgreSQL, from the provider; each text once, in this process and among replicas.
/// A fetch goes on when the one who started it leaves, because others may have joined, and because it may be paid already.
/// </summary>
internal sealed partial class VectorFetcher(
    MemoryTier memory,
    ValkeyTier valkey,
    ValkeyLeases leases,
    DurableTier durable,
    ProviderCaller provider,
    BudgetGate budgets,
    UsageRecorder usage,
    GatewayFeatures features,
    TierStatistics statistics,
    IOptions<EmbeddingCacheOptions> options,
    TimeProvider time,
    ILogger<VectorFetcher> logger)
{
    private static readonly TimeSpan s_firstPoll = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan s_lastPoll = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan s_leasePoll = TimeSpan.FromMilliseconds(100);

    // The other replica may have the text in a bulk call that waits for its turn: rather than make a person wait, it is paid twice.
    private static readonly TimeSpan s_maxOthersWait = TimeSpan.FromSeconds(5);

    // Few texts: somebody may wait, so PostgreSQL and the lease are asked at the same time. Of a batch, most texts may be in PostgreSQL.
    private const int MaxOverlapped = 8;

    // After so many looks into Valkey in vain, new texts are being asked for: then the lease is taken with the look, and PostgreSQL is asked meanwhile.
    private const int ColdLooks = 8;

    // Nobody is there to see it.
    private static readonly Landing s_deserted = new(null, Tier.Source, new OperationCanceledException(), OwnersOnly: true);

    private readonly ConcurrentDictionary<VectorKey, Flight> _flights = new();
    private int _looksInVain;
    private int _fetching;

    /// <summary>Texts that are on their way.</summary>
    public int InFlight => _flights.Count;

    /// <summary>Fetches that are not done: also those whose callers have their vectors, while the copies for the other tiers are written.</summary>
    public int Fetching => Volatile.Read(ref _fetching);

    /// <summary>Joins a text's flight, or starts one. Whoever got a flight must leave it.</summary>
    /// <param name="key">The text's key.</param>
    /// <param name="text">The text with prompt.</param>
    /// <param name="interactive">Whether a person waits: then it does not wait behind a bulk call that was not sent yet.</param>
    /// <param name="encoding">By what its tokens are counted.</param>
    /// <returns>The flight, and whether the caller has to <see cref="Depart"/> with it.</returns>
    public (Flight Flight, bool Own) Join(in VectorKey key, string text, bool interactive, TokenEncoding encoding)
    {
        while (true)
        {
            if (!_flights.TryGetValue(key, out var flying))
            {
                var own = new Flight(key, text, interactive, encoding);
                if (!_flights.TryAdd(key, own))
                {
                    continue;
                }

                // It may have landed between the caller's look into memory and now.
                if (features.Cache && memory.TryGet(key, out var vector))
                {
                    Land(own, new Landing(vector, Tier.L1, null, false));
                    return (own, false);
                }

                return (own, true);
            }

            if (interactive && !flying.Interactive && TryOvertake(flying) is { } overtaker)
            {
                return (overtaker, true);
            }

            if (flying.TryBoard(interactive))
            {
                return (flying, false);
            }

            _flights.TryRemove(new KeyValuePair<VectorKey, Flight>(key, flying));
        }
    }

    private Flight? TryOvertake(Flight flying)
    {
        var own = new Flight(flying.Key, flying.Text, interactive: true, flying.Encoding);
        if (!flying.TryOvertake(own))
        {
            return null;
        }

        if (_flights.TryUpdate(flying.Key, own, flying))
        {
            return own;
        }

        // It has just landed: nobody knows of ours.
        flying.GoOn();
        return null;
    }

    /// <summary>Gets the vectors of own flights. The task never fails: what goes wrong is the flights' landing.</summary>
    public async Task Depart(List<Flight> flights, EmbeddingCall call)
    {
        Interlocked.Increment(ref _fetching);
        try
        {
            if (features.Cache && !call.Bypass)
            {
                await FromCachesAsync(flights, call);
            }
            else
            {
                await FromProviderAsync(flights, call, store: false);
            }
        }
        catch (Exception e)
        {
            if (e is not (GatewayException or BudgetException))
            {
                LogFailed(call.Target.Model.Definition.Name, e);
            }

            foreach (var flight in flights)
            {
                Land(flight, new Landing(null, Tier.Source, e, OwnersOnly: e is BudgetException));
            }
        }
        finally
        {
            Interlocked.Decrement(ref _fetching);
        }
    }

    // Those that nobody waits for any more are given up.
    private List<Flight> StillWanted(List<Flight> flights)
    {
        foreach (var flight in flights)
        {
            if (flight.TryClose())
            {
                Land(flight, s_deserted);
            }
        }

        return [.. flights.Where(flight => !flight.Task.IsCompleted)];
    }

    private async Task FromCachesAsync(List<Flight> flights, EmbeddingCall call)
    {
        var dimensions = call.Target.Space.Dimensions;
        var cheap = call.Target.Model.Definition.Cheap;
        if (!cheap && flights.Count <= MaxOverlapped && Volatile.Read(ref _looksInVain) >= ColdLooks && valkey.IsAvailable)
        {
            await WithLeasesAsync(flights, call, AskDurableAsync(flights, dimensions), again: false);
            return;
        }

        var missing = LandFound(flights, await valkey.GetAsync(Keys(flights), dimensions, CancellationToken.None), Tier.L2, null);
        Looked(flights.Count - missing.Count);
        if (missing.Count == 0)
        {
            return;
        }

        if (cheap)
        {
            await FromProviderAsync(missing, call, store: true);
        }
        else if (missing.Count <= MaxOverlapped && valkey.IsAvailable)
        {
            await WithLeasesAsync(missing, call, AskDurableAsync(missing, dimensions), again: true);
        }
        else
        {
            missing = await LandDurableAsync(missing, await AskDurableAsync(missing, dimensions));
            if (missing.Count > 0)
            {
                await (valkey.IsAvailable ? WithLeasesAsync(missing, call, null, again: true) : FromProviderAsync(missing, call, store: true));
            }
        }
    }

    private void Looked(int found)
    {
        if (found > 0)
        {
            Volatile.Write(ref _looksInVain, 0);
        }
        else if (Volatile.Read(ref _looksInVain) < ColdLooks)
        {
            Interlocked.Increment(ref _looksInVain);
        }
    }

    private Task<CachedVector?[]> AskDurableAsync(List<Flight> flights, int dimensions) => features.Durable
        ? durable.GetAsync(Keys(flights), dimensions, CancellationToken.None).AsTask()
        : Task.FromResult(new CachedVector?[flights.Count]);

    private async Task<List<Flight>> LandDurableAsync(List<Flight> flights, CachedVector?[] found)
    {
        var copies = new List<KeyValuePair<VectorKey, CachedVector>>();
        var missing = LandFound(flights, found, Tier.L3, copies);
        await valkey.SetAsync(copies);
        return missing;
    }

    // Who holds the lease calls the provider; the others wait for its result to appear in Valkey, or for the lease to become free.
    // The holder before us may have finished between our look into Valkey and our lease: so we look again, right behind the lease on the same connection.
    private async Task WithLeasesAsync(List<Flight> flights, EmbeddingCall call, Task<CachedVector?[]>? durableAnswer, bool again)
    {
        call.Target.Model.Endpoints[0].Channel.Foresee();
        var taking = leases.TakeAsync(Keys(flights), CancellationToken.None).AsTask();
        var looking = valkey.GetAsync(Keys(flights), call.Target.Space.Dimensions, CancellationToken.None, again).AsTask();
        var (held, others) = Split(flights, await taking);
        var leased = Keys(held);
        var missing = LandFound(flights, await looking, Tier.L2, null).ToHashSet();
        if (!again)
        {
            Looked(flights.Count - missing.Count);
        }

        if (durableAnswer is not null)
        {
            var answer = await durableAnswer;
            var places = flights.Select((flight, i) => (flight, i)).Where(pair => missing.Contains(pair.flight)).ToList();
            missing = [.. await LandDurableAsync([.. places.Select(pair => pair.flight)], [.. places.Select(pair => answer[pair.i])])];
        }

        held.RemoveAll(flight => !missing.Contains(flight));
        others.RemoveAll(flight => !missing.Contains(flight));
        var own = FromProviderWithLeaseAsync(held, leased, call);
        if (others.Count > 0)
        {
            await WaitForOthersAsync(others, call);
        }

        await own;
    }

    private async Task WaitForOthersAsync(List<Flight> flights, EmbeddingCall call)
    {
        var delay = s_firstPoll;
        var (start, askedAt) = (time.GetTimestamp(), time.GetTimestamp());
        var takeovers = new List<Task>();
        while (flights.Count > 0)
        {
            await Task.Delay(delay, time);
            delay = delay * 1.5 < s_lastPoll ? delay * 1.5 : s_lastPoll;
            flights = StillWanted(flights);
            if (flights.Count == 0)
            {
                break;
            }

            flights = LandFound(flights, await valkey.GetAsync(Keys(flights), call.Target.Space.Dimensions, CancellationToken.None, again: true), Tier.L2, null);
            if (flights.Count > 0 && (time.GetElapsedTime(askedAt) >= s_leasePoll || !valkey.IsAvailable))
            {
                askedAt = time.GetTimestamp();
                (var taken, flights) = Split(flights, await leases.TakeAsync(Keys(flights), CancellationToken.None));
                if (call.Interactive && time.GetElapsedTime(start) > s_maxOthersWait)
                {
                    taken.AddRange(flights);
                    flights = [];
                }

                if (taken.Count > 0)
                {
                    var found = await valkey.GetAsync(Keys(taken), call.Target.Space.Dimensions, CancellationToken.None, again: true);
                    var leased = Keys(taken);
                    takeovers.Add(FromProviderWithLeaseAsync(LandFound(taken, found, Tier.L2, null), leased, call));
                }
            }
        }

        await Task.WhenAll(takeovers);
    }

    private async Task FromProviderWithLeaseAsync(List<Flight> flights, VectorKey[] leased, EmbeddingCall call)
    {
        var interval = options.Value.LeaseDuration / 3;
        await using var renewal = time.CreateTimer(_ => _ = leases.RenewAsync(leased).AsTask(), null, interval, interval);
        try
        {
            if (flights.Count > 0)
            {
                await FromProviderAsync(flights, call, store: true);
            }
        }
        catch (Exception e) when (e is GatewayException or BudgetException)
        {
            foreach (var flight in flights)
            {
                Land(flight, new Landing(null, Tier.Source, e, OwnersOnly: e is BudgetException));
            }
        }
        finally
        {
            await leases.ReleaseAsync(leased);
        }
    }

    private async Task FromProviderAsync(List<Flight> flights, EmbeddingCall call, bool store)
    {
        var model = call.Target.Model.Definition;
        flights = StillWanted(flights);
        if (flights.Count == 0)
        {
            return;
        }

        await using var reservation = await budgets.ReserveAsync(call, flights.Sum(flight => (long)flight.EstimatedTokens), CancellationToken.None);
        var requests = 1;
        while (flights.Count > 0)
        {
            await provider.CallAsync(flights, new ProviderOrder(call.Target, call.Interactive, OnAnswer, OnBatchAsync, CancellationToken.None));
            flights = StillWanted(flights);
            foreach (var flight in flights)
            {
                await LandWithOvertakerAsync(flight);
            }

            flights = [.. flights.Where(flight => !flight.Task.IsCompleted)];
        }

        // What a provider answered is paid, whatever becomes of it: vectors that are wrong, and callers that have left.
        void OnAnswer(int texts, long tokens)
        {
            reservation.Spend(tokens);
            usage.RecordBought(call, Interlocked.Exchange(ref requests, 0), texts, tokens);
        }

        async ValueTask OnBatchAsync(IReadOnlyList<Flight> sent, ProviderItem[] items)
        {
            var stored = new List<KeyValuePair<VectorKey, CachedVector>>(store ? items.Length : 0);
            var landings = new Landing[items.Length];
            for (var i = 0; i < items.Length; i++)
            {
                if (items[i].Vector is not { } values)
                {
                    landings[i] = new Landing(null, Tier.Source, items[i].Error, false);
                    continue;
                }

                var key = sent[i].Key;
                var vector = new CachedVector(values, items[i].Tokens);
                landings[i] = new Landing(vector, Tier.Source, null, false);
                statistics.Hit(Tier.Source);
                if (store)
                {
                    memory.Add(key, vector);
                    stored.Add(new(key, vector));
                }
            }

            // Into the queue before anybody knows: who has an answer can rely on it being written.
            if (!model.Cheap && features.Durable)
            {
                durable.Add(stored);
            }

            for (var i = 0; i < items.Length; i++)
            {
                Land(sent[i], landings[i]);
            }

            // The callers have their vectors, and go on before this does; other replicas need them in Valkey before the lease is given back.
            await Task.Yield();
            await valkey.SetAsync(stored);
        }
    }

    // An interactive call has the text in place of this one. When it has no vector either (its caller's budget, or it left), this one goes on.
    private async Task LandWithOvertakerAsync(Flight flight)
    {
        if (flight.Overtaker is { } overtaker)
        {
            var landing = await overtaker.Task;
            if (landing.Vector is not null || !landing.OwnersOnly)
            {
                Land(flight, landing.Vector is null ? landing : landing with { Tier = Tier.Joined });
            }
            else
            {
                flight.GoOn();
            }
        }
    }

    private List<Flight> LandFound(List<Flight> flights, CachedVector?[] found, Tier tier, List<KeyValuePair<VectorKey, CachedVector>>? copies)
    {
        var missing = new List<Flight>();
        for (var i = 0; i < flights.Count; i++)
        {
            if (found[i] is not { } vector)
            {
                missing.Add(flights[i]);
                continue;
            }

            memory.Add(flights[i].Key, vector);
            copies?.Add(new(flights[i].Key, vector));
            Land(flights[i], new Landing(vector, tier, null, false));
        }

        return missing;
    }

    // Memory first, then the end of the flight: whoever finds no flight afterwards finds the vector.
    private void Land(Flight flight, Landing landing)
    {
        if (flight.TryLand(landing))
        {
            _flights.TryRemove(new KeyValuePair<VectorKey, Flight>(flight.Key, flight));
        }
    }

    private static (List<Flight> Taken, List<Flight> Others) Split(List<Flight> flights, bool[] taken)
    {
        var (held, others) = (new List<Flight>(), new List<Flight>());
        for (var i = 0; i < flights.Count; i++)
        {
            (taken[i] ? held : others).Add(flights[i]);
        }

        return (held, others);
    }

    private static VectorKey[] Keys(List<Flight> flights)
    {
        var keys = new VectorKey[flights.Count];
        for (var i = 0; i < keys.Length; i++)
        {
            keys[i] = flights[i].Key;
        }

        return keys;
    }

    [LoggerMessage(1, LogLevel.Error, "Vectors of model {Model} could not be fetched")]
    private partial void LogFailed(string model, Exception exception);
}
