using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Providers;

namespace RagPlatform.EmbeddingService.Registry;

/// <summary>
/// What a process has learned of a model at an endpoint. It outlives changes of the registry: an endpoint that was found to serve another model stays out
/// of use, whatever is changed about its model.
/// </summary>
/// <param name="breaker">Keeps calls away while it fails.</param>
/// <param name="since">When the process began to know it.</param>
internal sealed class EndpointState(Breaker breaker, long since)
{
    // What a provider takes may change, and what was refused may have been long texts rather than many.
    private static readonly TimeSpan s_limitAge = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_probeAge = TimeSpan.FromSeconds(1);

    private volatile bool _impostor;
    private volatile bool _used;
    private volatile bool _checked;
    private volatile bool _knowsFormat;
    private volatile int _format;
    private readonly Lock _lock = new();
    private (int Texts, long At)? _limit;
    private (Task<ProviderException?> Answer, long At)? _probe;
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

    /// <summary>The format in which it is asked for vectors.</summary>
    public VectorFormat Format => (VectorFormat)_format;

    /// <summary>Whether it ever answered in that format.</summary>
    public bool KnowsFormat => _knowsFormat;

    /// <summary>It answered in a format.</summary>
    public void Learn(VectorFormat format)
    {
        _format = (int)format;
        _knowsFormat = true;
    }

    /// <summary>How many texts it takes at a time, as far as that was learned in the last hour.</summary>
    public int MaxTexts(TimeProvider time)
    {
        lock (_lock)
        {
            return _limit is { } limit && time.GetElapsedTime(limit.At) < s_limitAge ? limit.Texts : int.MaxValue;
        }
    }

    /// <summary>It took so many texts, and refused more.</summary>
    public void LearnMaxTexts(int texts, TimeProvider time)
    {
        lock (_lock)
        {
            _limit = (texts, time.GetTimestamp());
        }
    }

    /// <summary>Asks whether it answers, together with all who want to know at the same time.</summary>
    public Task<ProviderException?> ProbeAsync(Func<Task<ProviderException?>> ask, TimeProvider time)
    {
        lock (_lock)
        {
            if (_probe is not { } probe || (probe.Answer.IsCompleted && time.GetElapsedTime(probe.At) > s_probeAge))
            {
                _probe = probe = (ask(), time.GetTimestamp());
            }

            return probe.Answer;
        }
    }

    /// <summary>The moment up to which its vectors are certainly the right ones.</summary>
    public long GoodAt
    {
        get => Interlocked.Read(ref _goodAt);
        set => Interlocked.Exchange(ref _goodAt, value);
    }
}
