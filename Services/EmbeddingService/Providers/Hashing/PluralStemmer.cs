namespace RagPlatform.EmbeddingService.Providers.Hashing;

/// <summary>
/// The "S" stemmer (Harman 1991, How effective is suffixing?): takes the plural ending off, nothing else. The character n-grams relate the
/// other forms of a word, so more would only confuse different words.
/// </summary>
internal static class PluralStemmer
{
    /// <summary>Shortens a folded word in place.</summary>
    /// <param name="word">The characters of the word; "ies" becomes "y" in this memory.</param>
    /// <returns>The stem, at the start of the same memory.</returns>
    public static Span<char> Stem(Span<char> word)
    {
        if (word.Length <= 3 || word[^1] != 's')
        {
            return word;
        }

        switch (word[^2])
        {
            case 's' or 'u' or 'i':
                return word;
            case 'e' when word.Length > 4 && word[^3] == 'i' && word[^4] is not ('e' or 'a'):
                word[^3] = 'y';
                return word[..^2];
            case 'e' when word[^3] is 'a' or 'e' or 'o':
                return word;
            default:
                return word[..^1];
        }
    }
}
