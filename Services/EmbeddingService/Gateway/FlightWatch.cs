namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>Says when nobody waits for any of some flights any more.</summary>
internal sealed class FlightWatch : IDisposable
{
    private readonly IReadOnlyList<Flight> _flights;
    private readonly CancellationTokenSource _deserted = new();
    private int _wanted = 1;

    public FlightWatch(IReadOnlyList<Flight> flights)
    {
        _flights = flights;
        foreach (var flight in flights)
        {
            Interlocked.Increment(ref _wanted);
            if (!flight.Watch(this))
            {
                Wanted(-1);
            }
        }

        Wanted(-1);
    }

    /// <summary>Cancelled when nobody waits. Somebody may have joined since: each flight says so itself.</summary>
    public CancellationToken Deserted => _deserted.Token;

    public void Dispose()
    {
        foreach (var flight in _flights)
        {
            flight.Watch(null);
        }
    }

    /// <summary>One flight more, or less, is waited for.</summary>
    internal void Wanted(int change)
    {
        if (Interlocked.Add(ref _wanted, change) == 0)
        {
            // On another thread: the flight that says so holds its lock.
            _ = _deserted.CancelAsync();
        }
    }
}
