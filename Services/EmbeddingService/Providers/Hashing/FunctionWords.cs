using System.Collections.Frozen;

namespace RagPlatform.EmbeddingService.Providers.Hashing;

/// <summary>English words that say how a text is built and not what it is about. They are kept, with a small weight.</summary>
internal static class FunctionWords
{
    private const string Words =
        """
        a about above after again against all also although always am among an and another any are as at be because become been before
        being below between both but by can could did do does doing done down during each either else etc even ever every few for from
        further get give given got had has have having he hence her here hers herself him himself his how however i if in into is it its
        itself just like made make many may me might more most much must my myself neither never no nor not now of off often on once one
        only or other our ours ourselves out over own per rather said same shall she should since so some still such than that the their
        theirs them themselves then there therefore these they this those though through thus to too toward under until up upon us use
        used using various very via was we well were what when where whether which while who whom whose why will with within without
        would yet you your yours yourself yourselves s t d ll m re ve don doesn didn isn aren wasn weren won wouldn couldn shouldn
        """;

    private static readonly FrozenSet<ulong> s_hashes = Words
        .Split([' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Select(word => FeatureHash.OfWord(PluralStemmer.Stem(word.ToCharArray())))
        .ToFrozenSet();

    private const int LongestWord = 10;

    /// <summary>Whether a word is one of them.</summary>
    /// <param name="hash">The hash of the folded, stemmed word.</param>
    /// <param name="length">Its length in characters; spares the look-up for long words.</param>
    public static bool Contains(ulong hash, int length) => length <= LongestWord && s_hashes.Contains(hash);
}
