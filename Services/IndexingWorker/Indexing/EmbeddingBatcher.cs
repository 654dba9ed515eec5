using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>Embeds texts: a seam for tests; else <see cref="EmbeddingGatewayClient.EmbedAsync"/>.</summary>
internal delegate Task<IReadOnlyList<ReadOnlyMemory<float>>> EmbedTexts(
    SpaceRow space, string workspace, IReadOnlyList<string> texts, CancellationToken cancellationToken);

/// <summary>
/// Gathers the texts of many documents into few requests. While every request that may be in flight is, texts gather; with nothing in flight
/// a text leaves at once. Requests carry texts of one space and workspace; lanes take turns, those with urgent texts first.
/// </summary>
internal sealed class EmbeddingBatcher(EmbedTexts embed, TokenCalibration tokens, IOptions<IndexingOptions> options)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(int Space, string Workspace, short Priority), Lane> _lanes = [];
    private long _turns;
    private int _inFlight;

    /// <summary>Embeds texts of a document.</summary>
    /// <param name="space">The space.</param>
    /// <param name="workspace">Whom the cost is for.</param>
    /// <param name="priority">The higher, the earlier.</param>
    /// <param name="texts">Any number of texts.</param>
    /// <param name="cancellationToken">Takes back what is not under way.</param>
    /// <returns>One vector for each text.</returns>
    /// <exception cref="DocumentFailedException">One of the texts cannot be embedded.</exception>
    /// <exception cref="SpaceUnavailableException">Nothing can be embedded at the moment.</exception>
    public async Task<ReadOnlyMemory<float>[]> EmbedAsync(
        SpaceRow space, string workspace, short priority, IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        if (texts.Count == 0)
        {
            return [];
        }

        var request = new Request(texts, cancellationToken);
        await using var cancelled = cancellationToken.Register(() => request.Done.TrySetCanceled(cancellationToken));
        lock (_lock)
        {
            var key = (space.SpaceId, workspace, priority);
            if (!_lanes.TryGetValue(key, out var lane))
            {
                _lanes.Add(key, lane = new(space, workspace, priority));
            }

            for (var i = 0; i < texts.Count; i++)
            {
                lane.Waiting.Enqueue(new(request, i));
            }

            Pump();
        }

        return await request.Done.Task;
    }

    private void Pump()
    {
        while (_inFlight < options.Value.EmbeddingsInFlight && NextLane() is { } lane)
        {
            var batch = new List<Item>();
            var room = (long)options.Value.EmbeddingBatchTokens;
            while (batch.Count < options.Value.EmbeddingBatch && lane.Waiting.TryPeek(out var item))
            {
                if (!item.Request.Done.Task.IsCompleted)
                {
                    room -= tokens.Estimate(lane.Space.SpaceId, item.Text);
                    if (room < 0 && batch.Count > 0)
                    {
                        break;
                    }

                    batch.Add(item);
                }

                lane.Waiting.Dequeue();
            }

            lane.Served = ++_turns;
            if (lane.Waiting.Count == 0)
            {
                _lanes.Remove((lane.Space.SpaceId, lane.Workspace, lane.Priority));
            }

            if (batch.Count > 0)
            {
                _inFlight++;
                _ = RunAsync(lane, batch);
            }
        }
    }

    private Lane? NextLane()
    {
        Lane? next = null;
        foreach (var lane in _lanes.Values)
        {
            if (next is null || lane.Priority > next.Priority || (lane.Priority == next.Priority && lane.Served < next.Served))
            {
                next = lane;
            }
        }

        return next;
    }

    private async Task RunAsync(Lane lane, List<Item> batch)
    {
        // Off the caller's lock.
        await Task.Yield();
        try
        {
            await SendAsync(lane, batch);
        }
        catch (Exception e)
        {
            foreach (var item in batch)
            {
                item.Request.Done.TrySetException(e);
            }
        }
        finally
        {
            lock (_lock)
            {
                _inFlight--;
                Pump();
            }
        }
    }

    private async Task SendAsync(Lane lane, List<Item> batch)
    {
        // Halved until the text that cannot be embedded is alone.
        var parts = new Stack<List<Item>>([batch]);
        while (parts.TryPop(out var part))
        {
            part = part.FindAll(item => !item.Request.Done.Task.IsCompleted);
            if (part.Count == 0)
            {
                continue;
            }

            try
            {
                var vectors = await embed(lane.Space, lane.Workspace, part.ConvertAll(i => i.Text), CancellationToken.None);
                for (var i = 0; i < part.Count; i++)
                {
                    part[i].Request.Fill(part[i].Index, vectors[i]);
                }
            }
            catch (EmbeddingGatewayException e)
            {
                await ThrowIfUnavailableAsync(lane, e);
                if (part.Count == 1)
                {
                    part[0].Request.Done.TrySetException(new DocumentFailedException(
                        e.Status is >= 400 and < 500 ? "text" : "provider", $"Passage {part[0].Index + 1} of those to embed: {e.Message}", e));
                    continue;
                }

                parts.Push(part[(part.Count / 2)..]);
                parts.Push(part[..(part.Count / 2)]);
            }
        }
    }

    // Is it the texts, or would any text fail? Most answers say so; of the others, a text that nobody has sent before tells.
    private async Task ThrowIfUnavailableAsync(Lane lane, EmbeddingGatewayException failure)
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
                    await embed(lane.Space, lane.Workspace, [$"probe {Guid.NewGuid():N}"], CancellationToken.None);
                    return;
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

    private readonly record struct Item(Request Request, int Index)
    {
        public string Text => Request.Texts[Index];
    }

    private sealed class Lane(SpaceRow space, string workspace, short priority)
    {
        public SpaceRow Space { get; } = space;

        public string Workspace { get; } = workspace;

        public short Priority { get; } = priority;

        public Queue<Item> Waiting { get; } = [];

        public long Served { get; set; }
    }

    private sealed class Request(IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        private readonly ReadOnlyMemory<float>[] _vectors = new ReadOnlyMemory<float>[texts.Count];
        private int _missing = texts.Count;

        public IReadOnlyList<string> Texts { get; } = texts;

        public CancellationToken CancellationToken { get; } = cancellationToken;

        public TaskCompletionSource<ReadOnlyMemory<float>[]> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Fill(int index, ReadOnlyMemory<float> vector)
        {
            _vectors[index] = vector;
            if (Interlocked.Decrement(ref _missing) == 0)
            {
                Done.TrySetResult(_vectors);
            }
        }
    }
}
