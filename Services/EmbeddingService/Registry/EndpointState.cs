using RagPlatform.EmbeddingService.Limits;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>
/// What a process has learned of a model at an endpoint. It outlives changes of the registry: an endpoint that was found to serve another model stays out
/// of use, whatever is changed about its model.
/// </summary>
/// <param name="breaker">Keeps calls away while it fails.</param>
/// <param name="since">When the process began to know it.</param>
internal sealed class EndpointState(Breaker breaker, long since)
{
    private volatile bool _impostor;
    private volatile bool _used;
    private volatile bool _checked;
    private long _goodAt = since;

    public Breaker Breaker { get; } = breaker;

    /// <summary>Whether it answered vectors of another model when it was asked for fixed texts: it is out of use until that changes.</summary>
    public bool Impostor
    {
        get => _impostor;
        set => _impostor = value;
    }

    /// <summary>Whether it was called since the start.</summary>
    public bool Used
    {
        get => _used;
        set => _used = value;
    }

    /// <summary>Whether it was compared with what it answered before.</summary>
    public bool Checked
    {
        get => _checked;
        set => _checked = value;
    }

    /// <summary>The moment up to which its vectors are certainly the right ones.</summary>
    public long GoodAt
    {
        get => Interlocked.Read(ref _goodAt);
        set => Interlocked.Exchange(ref _goodAt, value);
    }
}
