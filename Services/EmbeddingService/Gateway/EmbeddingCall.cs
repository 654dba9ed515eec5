using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Caching;
using RagPlatform.EmbeddingService.Registry;

namespace RagPlatform.EmbeddingService.Gateway;

/// <summary>Texts to be embedded, with all that decides how.</summary>
/// <param name="Target">Where vectors come from.</param>
/// <param name="Texts">The texts, without prompt.</param>
/// <param name="Input">What they are: selects the prompt.</param>
/// <param name="Interactive">Whether a person waits: such calls go before bulk.</param>
/// <param name="Workspace">Whom the cost is for; empty for nobody.</param>
/// <param name="KeyId">The key that asked; empty for the admin's.</param>
/// <param name="Bypass">Whether no cache is read or written.</param>
internal sealed record EmbeddingCall(
    ModelSpace Target, IReadOnlyList<string> Texts, EmbeddingInput Input, bool Interactive, string Workspace, string KeyId, bool Bypass = false);

/// <summary>The vectors, in the order of the texts.</summary>
/// <param name="Vectors">One for each text. They are shared: nobody may change them.</param>
/// <param name="Tokens">Tokens of all texts, as the provider counted them when it embedded them.</param>
/// <param name="Tiers">Where they came from.</param>
internal readonly record struct EmbeddingResult(float[][] Vectors, long Tokens, TierCounts Tiers);

/// <summary>How many texts, with how many tokens, came from each tier.</summary>
internal struct TierCounts
{
    private Values _texts;
    private Values _tokens;

    /// <summary>Texts of a tier.</summary>
    public readonly int Texts(Tier tier) => (int)_texts[(int)tier];

    /// <summary>Tokens of a tier's texts.</summary>
    public readonly long Tokens(Tier tier) => _tokens[(int)tier];

    public void Add(Tier tier, int tokens)
    {
        _texts[(int)tier]++;
        _tokens[(int)tier] += tokens;
    }

    [System.Runtime.CompilerServices.InlineArray(5)]
    private struct Values
    {
        private long _first;
    }
}
