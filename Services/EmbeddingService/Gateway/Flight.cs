using RagPlatform.EmbeddingService.Caching;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>What became of a text that was asked for.</summary>
/// <param name="Vector">Its vector; null when there is none.</param>
/// <param name="Tier">Where it came from.</param>
/// <param name="Error">Why there is none.</param>
/// <param name="OwnersOnly">Whether the error concerns only the one who started it (a budget): whoever joined tries again for itself.</param>
internal readonly record struct Landing(CachedVector? Vector, Tier Tier, Exception? Error, bool OwnersOnly);

/// <summary>A text whose vector is on its way: the first who asks starts it, the others wait for the same.</summary>
/// <param name="key">Its key.</param>
/// <param name="text">The text with prompt.</param>
internal sealed class Flight(VectorKey key, string text)
{
    private readonly TaskCompletionSource<Landing> _landing = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public VectorKey Key { get; } = key;

    public string Text { get; } = text;

    /// <summary>Never fails and is never cancelled: an error is a result.</summary>
    public Task<Landing> Task => _landing.Task;

    public bool TryLand(Landing landing) => _landing.TrySetResult(landing);
}
