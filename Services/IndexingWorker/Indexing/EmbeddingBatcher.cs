using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>Embeds texts: a seam for tests; else <see cref="EmbeddingGatewayClient.EmbedAsync"/>.</summary>
internal delegate Task<IReadOnlyList<ReadOnlyMemory<float>>> EmbedTexts(
    SpaceRow space, string workspace, IReadOnlyList<string> texts, CancellationToken cancellationToken);

/// <summary>
/// Gathers the texts of many documents into few requests. While every request that may be in flight is, texts gather; with nothing in flight
/// a text leaves at once. Requests carry texts of one space and workspace; lanes take weighted turns, so that urgent texts hardly wait and none
/// wait for ever. A space has places of its own: one whose provider does not answer takes nobody else's. So has a workspace that has none in flight: it
/// does not wait for the requests of one that loads a lot.
/// </summary>
internal sealed partial class EmbeddingBatcher(
    EmbedTexts embed, TokenCalibration tokens, IOptions<IndexingOptions> options, TimeProvider time, ILogger<EmbeddingBatcher> logger)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(int Space, string Workspace, short Priority), EmbeddingLane> _lanes = [];
    private readonly Dictionary<int, int> _inFlight = [];
    private readonly Dictionary<(int Space, string Workspace), int> _inFlightByWorkspace = [];
    private double _turn;

    /// <summary>Embeds texts of a document.</summary>
    /// <param name="space">The space.</param>
    /// <param name="workspace">Whom the cost is for.</param>
    /// <param name="priority">The higher, the earlier.</param>
    /// <param name="texts">Any number of texts.</param>
    /// <param name="cancellationToken">Takes back what is not under way, and gives up a request that nobody else waits for.</param>
    /// <returns>One vector for each text.</returns>
    /// <exception cref="DocumentFailedException">One of the texts cannot be embedded.</exception>
    /// <exception cref="SpaceUnavailableException">Nothing can be embedded at the moment.</exception>
    /// <exception cref="BudgetSpentException">Nothing can be embedded for this workspace at the moment.</exception>
    public async Task<ReadOnlyMemory<float>[]> EmbedAsync(
        SpaceRow space, string workspace, short priority, IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        if (texts.Count == 0)
        {
            return [];
        }

        var request = new TextRequest(texts);
        await using var cancelled = cancellationToken.Register(() => request.Done.TrySetCanceled(cancellationToken));
        lock (_lock)
        {
            var lane = LaneOf(space, workspace, priority);
            for (var i = 0; i < texts.Count; i++)
            {
                lane.Add(new EmbeddingItem(request, i));
            }

            Pump();
        }

        return await request.Done.Task;
    }

    private EmbeddingLane LaneOf(SpaceRow space, string workspace, short priority)
    {
        var key = (space.SpaceId, workspace, priority);
        if (!_lanes.TryGetValue(key, out var lane))
        {
            _lanes.Add(key, lane = new(space, workspace, priority, _turn));
        }

        return lane;
    }

    private void Pump()
    {
        while (NextLane() is { } lane)
        {
            var batch = lane.Take(options.Value.EmbeddingBatch, options.Value.EmbeddingBatchTokens, tokens);
            if (batch.Count > 0)
            {
                // The weights of the queue's claims.
                _turn = Math.Max(_turn, lane.Turn);
                lane.Turn = _turn + Math.Pow(8, -lane.Priority);
                Count(lane, 1);
                _ = RunAsync(lane, batch);
            }
        }
    }

    private EmbeddingLane? NextLane()
    {
        EmbeddingLane? next = null;
        var all = _inFlight.Values.Sum();
        foreach (var (key, lane) in _lanes)
        {
            if (lane.IsEmpty)
            {
                // Not earlier: who comes back at once would have a turn too many.
                if (lane.Turn <= _turn)
                {
                    _lanes.Remove(key);
                }

                continue;
            }

            var own = _inFlight.GetValueOrDefault(key.Space);
            var share = FairShare.Of(options.Value.EmbeddingsInFlight, all - own);
            if (own >= share && _inFlightByWorkspace.ContainsKey((key.Space, key.Workspace)))
            {
                continue;
            }

            if (own < 2 * share
                && (next is null || lane.Turn < next.Turn || (lane.Turn == next.Turn && lane.Priority > next.Priority)))
            {
                next = lane;
            }
        }

        return next;
    }

    private async Task RunAsync(EmbeddingLane lane, List<EmbeddingItem> batch)
    {
        // Off the caller's lock.
        await Task.Yield();
        using var activity = IndexingTraces.BeginShared("embed passages", batch.Select(item => item.Request.Trace));
        activity?.SetTag("rag.texts", batch.Count).SetTag("rag.space", lane.Space.Id);
        Exception? failure = null;
        var isRefused = false;
        try
        {
            isRefused = !await SendAsync(lane, batch);
        }
        catch (Exception e)
        {
            failure = e;
            activity.Fail(e);
            batch.ForEach(item => item.Request.Done.TrySetException(e));
        }

        lock (_lock)
        {
            Count(lane, -1);
            if (isRefused)
            {
                // Halved until the text that cannot be embedded is alone; others have their turns between the halves.
                var home = LaneOf(lane.Space, lane.Workspace, lane.Priority);
                home.Add(batch[(batch.Count / 2)..]);
                home.Add(batch[..(batch.Count / 2)]);
            }

            if (failure is SpaceUnavailableException or BudgetSpentException)
            {
                // What waits behind would learn the same, one request after the other.
                foreach (var other in _lanes.Values)
                {
                    if (other.Space.SpaceId == lane.Space.SpaceId && (failure is SpaceUnavailableException || other.Workspace == lane.Workspace))
                    {
                        other.Fail(failure);
                    }
                }
            }

            Pump();
        }
    }

    private void Count(EmbeddingLane lane, int difference)
    {
        Count(_inFlight, lane.Space.SpaceId, difference);
        Count(_inFlightByWorkspace, (lane.Space.SpaceId, lane.Workspace), difference);
    }

    private static void Count<TKey>(Dictionary<TKey, int> counts, TKey key, int difference)
        where TKey : notnull
    {
        if ((counts[key] = counts.GetValueOrDefault(key) + difference) == 0)
        {
            counts.Remove(key);
        }
    }

    // False: one of the texts is refused, and it has to be found.
    private async Task<bool> SendAsync(EmbeddingLane lane, List<EmbeddingItem> batch)
    {
        try
        {
            if (await CallAsync(lane, batch, batch.ConvertAll(item => item.Text)) is { } vectors)
            {
                for (var i = 0; i < batch.Count; i++)
                {
                    batch[i].Request.Fill(batch[i].Index, vectors[i]);
                }
            }

            return true;
        }
        catch (EmbeddingGatewayException e)
        {
            await ThrowIfUnavailableAsync(lane, batch, e);
            if (batch.Count > 1)
            {
                return false;
            }

            batch[0].Request.Done.TrySetException(new DocumentFailedException(
                e.Failure == EmbeddingFailure.Refused ? "text" : "provider", $"Passage {batch[0].Index + 1} of those to embed: {e.Message}", e));
            return true;
        }
    }

    // Whatever the call does, it ends for us: at its bound, or when nobody waits for its texts any more (null).
    private async Task<IReadOnlyList<ReadOnlyMemory<float>>?> CallAsync(EmbeddingLane lane, List<EmbeddingItem> batch, IReadOnlyList<string> texts)
    {
        using var bound = new CancellationTokenSource(options.Value.EmbeddingTimeout, time);
        var call = embed(lane.Space, lane.Workspace, texts, bound.Token).WaitAsync(bound.Token);
        await Task.WhenAny(call, Task.WhenAll(batch.Select(item => item.Request).Distinct().Select(request => request.Done.Task)));
        if (!call.IsCompleted)
        {
            await bound.CancelAsync();
            return null;
        }

        try
        {
            return await call;
        }
        catch (OperationCanceledException) when (bound.IsCancellationRequested)
        {
            LogOverdue(lane.Space.Id, batch.Count, options.Value.EmbeddingTimeout.TotalSeconds);
            throw new SpaceUnavailableException("timeout", $"There was no answer within {options.Value.EmbeddingTimeout.TotalSeconds} s.");
        }
        catch (Exception e) when (TransportFailure.Is(e, CancellationToken.None))
        {
            throw new SpaceUnavailableException("unreachable", e.Message, e);
        }
    }

    // Is it the texts, or would any text fail? Most answers say so; of the others, a text that nobody has sent before tells.
    private async Task ThrowIfUnavailableAsync(EmbeddingLane lane, List<EmbeddingItem> batch, EmbeddingGatewayException failure)
    {
        switch (failure.Failure)
        {
            case EmbeddingFailure.Refused:
                return;
            case EmbeddingFailure.Quota:
                throw new BudgetSpentException(failure.Message, failure.ResetsAt, failure);
            case EmbeddingFailure.Provider:
                try
                {
                    await CallAsync(lane, batch, [$"probe {Guid.NewGuid():N}"]);
                    return;
                }
                catch (EmbeddingGatewayException e) when (e.Failure == EmbeddingFailure.Quota)
                {
                    throw new BudgetSpentException(e.Message, e.ResetsAt, e);
                }
                catch (EmbeddingGatewayException)
                {
                    break;
                }
        }

        throw new SpaceUnavailableException(
            (failure.Failure, failure.Status) switch
            {
                (EmbeddingFailure.Provider, _) => "provider",
                (_, 0) => "unreachable",
                (_, 401 or 403) => "refused",
                (_, 404 or 409) => "model",
                (_, 429) => "rate",
                (EmbeddingFailure.Unusable, _) => "provider_unusable",
                _ => "unavailable",
            },
            failure.Message,
            failure);
    }

    [LoggerMessage(1, LogLevel.Warning, "Space {Space}: {Texts} texts had no vectors within {BoundSeconds} s; their documents are given back.")]
    private partial void LogOverdue(string space, int texts, double boundSeconds);
}
