using System.Diagnostics;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>Texts of one space, workspace and priority that wait for a request.</summary>
internal sealed class EmbeddingLane(SpaceRow space, string workspace, short priority, double turn)
{
    private readonly Queue<EmbeddingItem> _waiting = [];
    private readonly Stack<List<EmbeddingItem>> _parts = [];

    public SpaceRow Space { get; } = space;

    public string Workspace { get; } = workspace;

    public short Priority { get; } = priority;

    /// <summary>When it is served next, in a time that goes on with the requests: the lowest one comes first.</summary>
    public double Turn { get; set; } = turn;

    public bool IsEmpty => _waiting.Count == 0 && _parts.Count == 0;

    public void Add(EmbeddingItem item) => _waiting.Enqueue(item);

    /// <summary>Texts that have to go together, and before all others.</summary>
    public void Add(List<EmbeddingItem> part) => _parts.Push(part);

    /// <summary>Takes the texts of the next request: a part of one that was refused, or as many as there is room for.</summary>
    /// <param name="most">Texts, at most.</param>
    /// <param name="room">Estimated tokens, at most; a text that is longer goes alone.</param>
    /// <param name="tokens">Estimates.</param>
    /// <returns>Nothing when nobody waits for any of them.</returns>
    public List<EmbeddingItem> Take(int most, long room, TokenCalibration tokens)
    {
        while (_parts.TryPop(out var part))
        {
            if (part.FindAll(item => item.IsWanted) is { Count: > 0 } wanted)
            {
                return wanted;
            }
        }

        var batch = new List<EmbeddingItem>();
        while (batch.Count < most && _waiting.TryPeek(out var item))
        {
            if (item.IsWanted)
            {
                room -= tokens.Estimate(Space.SpaceId, item.Text);
                if (room < 0 && batch.Count > 0)
                {
                    break;
                }

                batch.Add(item);
            }

            _waiting.Dequeue();
        }

        return batch;
    }

    /// <summary>Gives up what waits.</summary>
    public void Fail(Exception failure)
    {
        foreach (var item in _parts.SelectMany(part => part).Concat(_waiting))
        {
            item.Request.Done.TrySetException(failure);
        }

        _parts.Clear();
        _waiting.Clear();
    }
}

/// <summary>A text of a request.</summary>
internal readonly record struct EmbeddingItem(TextRequest Request, int Index)
{
    public string Text => Request.Texts[Index];

    /// <summary>Whether anybody still waits for it.</summary>
    public bool IsWanted => !Request.Done.Task.IsCompleted;
}

/// <summary>Texts of one document that are to be embedded.</summary>
internal sealed class TextRequest(IReadOnlyList<string> texts)
{
    private readonly ReadOnlyMemory<float>[] _vectors = new ReadOnlyMemory<float>[texts.Count];
    private int _missing = texts.Count;

    public IReadOnlyList<string> Texts { get; } = texts;

    /// <summary>The trace of its document.</summary>
    public ActivityContext Trace { get; } = IndexingTraces.Current;

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
