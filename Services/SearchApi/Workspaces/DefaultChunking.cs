using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Workspaces;

/// <summary>
/// How the documents of a workspace are cut that does not say so. Decided once, when it is created, and kept in characters: what providers
/// count later moves no cut, so no text is embedded again because of it.
/// </summary>
internal static class DefaultChunking
{
    // Rather few, for code and languages other than English, as long as little has been counted.
    private const double CharactersPerToken = 3;
    private const double EnoughTokens = 10_000;

    // A passage is at most that many times the target, see docs/indexing.md.
    private const double LongestShare = 1.5;

    /// <summary>The defaults, or shorter passages where the model truncates what is longer.</summary>
    /// <param name="maxTokens">Tokens after which the model truncates a text; 0 when it does not.</param>
    /// <param name="counted">What the space's provider has counted lately, or null.</param>
    public static ChunkingSettings For(int maxTokens, TokenRatioRow? counted)
    {
        var standard = new ChunkingSettings();
        if (maxTokens <= 0)
        {
            return standard;
        }

        // A tenth is left for passages that are denser than the average.
        var ratio = counted is { Counted: >= EnoughTokens } c ? 0.9 * c.Characters / c.Counted : CharactersPerToken;
        var target = Math.Clamp((int)(maxTokens * ratio / LongestShare) / 50 * 50, 200, standard.TargetLength);
        return target == standard.TargetLength ? standard : new(standard.Strategy, target, Math.Min(standard.Overlap, target / 6));
    }
}
