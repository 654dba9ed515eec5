using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Providers;

/// <summary>What became of one text.</summary>
/// <param name="Vector">Its vector; null when there is an error.</param>
/// <param name="Tokens">Its tokens.</param>
/// <param name="Error">Why there is no vector.</param>
internal readonly record struct ProviderItem(float[]? Vector, int Tokens, ProviderException? Error);

/// <summary>What texts are to be embedded for.</summary>
/// <param name="Target">The model at its dimensions.</param>
/// <param name="Interactive">Whether a person waits.</param>
/// <param name="OnAnswer">Gets the texts and tokens of each answer, before it is looked at: they are paid.</param>
/// <param name="OnBatch">Gets texts whose fate is known, and what became of each.</param>
/// <param name="Deserted">Cancelled when nobody waits any more.</param>
internal sealed record ProviderOrder(
    ModelSpace Target,
    bool Interactive,
    Action<int, long> OnAnswer,
    Func<IReadOnlyList<Flight>, ProviderItem[], ValueTask> OnBatch,
    CancellationToken Deserted)
{
    /// <summary>Whether the provider is known to answer other texts: a failure is one of the texts, and not worth many attempts.</summary>
    public bool Isolating { get; init; }

    /// <summary>Whether a person waits for one of some texts: also one who joined a bulk call.</summary>
    public bool IsUrgent(IReadOnlyList<Flight> flights) => Interactive || flights.Any(flight => flight.Interactive);

    /// <summary>Texts that failed alike.</summary>
    public ValueTask FailAsync(IReadOnlyList<Flight> flights, ProviderException error)
    {
        var items = new ProviderItem[flights.Count];
        Array.Fill(items, new ProviderItem(null, 0, error));
        return OnBatch(flights, items);
    }
}
