namespace RagPlatform.EmbeddingService.Providers.Hashing;

/// <summary>
/// A text as a unit vector of its words and of the character 4-grams of its words, hashed with sign into a fixed number of dimensions
/// (Weinberger et al. 2009, Feature Hashing for Large Scale Multitask Learning). Lexical, not semantic: texts are close when they share
/// words or parts of words.
/// </summary>
/// <remarks>
/// <para>The same text gives the same bits in every process, on every architecture and in every release: all arithmetic is IEEE addition,
/// multiplication, division and square root in a fixed order, and the hash and the character table are our own. A change that moves any
/// component is another embedding space and must raise <see cref="Revision"/>.</para>
/// <para>The weights were chosen by nDCG@10 of the cosine on Cranfield and MEDLINE over several hash seeds. What decides at 384
/// dimensions is the noise of hash collisions, not the finer points of weighting: even exact document frequencies gain nothing there,
/// while 1,024 dimensions gain 0.02 to 0.05.</para>
/// </remarks>
internal static class HashingEmbedding
{
    /// <summary>Part of the identity of the embedding space: raised whenever any vector changes.</summary>
    public const int Revision = 1;

    public const int DefaultDimensions = 384;
    public const int MinDimensions = 64;
    public const int MaxDimensions = 4096;

    // Longer runs of letters (encoded binaries, mostly) are cut here.
    private const int MaxWordLength = 64;

    private const float GramsWeight = 2f; // of all n-grams of a word together; the word itself has 1
    private const float FunctionWordWeight = 0.05f;
    private const float HalfPower = 0.70710678f; // 1/sqrt(2): the share of each of the two components of a word
    private const char WordStart = '<';
    private const char WordEnd = '>';

    private static readonly float[] s_lengthWeights = BuildLengthWeights();

    /// <summary>Embeds a text of any length.</summary>
    /// <param name="text">The text; one without any letter or digit gets a vector too.</param>
    /// <param name="destination">Receives the unit vector; its length, 64 to 4,096, is the number of dimensions.</param>
    /// <returns>The number of words in the text.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The destination is shorter than 64 or longer than 4,096.</exception>
    public static int Embed(ReadOnlySpan<char> text, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Length, MinDimensions, nameof(destination));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, MaxDimensions, nameof(destination));

        destination.Clear();
        var words = new WordCounts();
        try
        {
            Split(text, ref words);
            for (var i = 0; i < words.Count; i++)
            {
                var word = words.Get(i, out var hash, out var count);
                AddWord(destination, word, hash, count);
            }

            if (words.Count == 0)
            {
                AddFeature(destination, FeatureHash.OfWord(text.Trim()), 1f);
            }

            Normalize(destination);
            return words.Total;
        }
        finally
        {
            words.Dispose();
        }
    }

    private static void Split(ReadOnlySpan<char> text, ref WordCounts words)
    {
        var table = CharacterFolding.Table;
        Span<char> word = stackalloc char[MaxWordLength];
        var length = 0;
        var previousUnspaced = CharacterFolding.Separator;
        foreach (var c in text)
        {
            var folded = table[c];
            if (folded == CharacterFolding.Ignored)
            {
                continue;
            }

            if (folded == CharacterFolding.Separator)
            {
                Flush(word, ref length, ref words);
                previousUnspaced = CharacterFolding.Separator;
            }
            else if (CharacterFolding.IsUnspaced(folded))
            {
                Flush(word, ref length, ref words);
                AddUnspaced(previousUnspaced, folded, ref words);
                previousUnspaced = folded;
            }
            else
            {
                previousUnspaced = CharacterFolding.Separator;
                if (CharacterFolding.IsExpansion(folded))
                {
                    foreach (var expanded in CharacterFolding.Expand(folded))
                    {
                        Append(expanded, word, ref length, ref words);
                    }
                }
                else
                {
                    Append(folded, word, ref length, ref words);
                }
            }
        }

        Flush(word, ref length, ref words);
    }

    private static void Append(char folded, scoped Span<char> word, ref int length, ref WordCounts words)
    {
        if (length == MaxWordLength)
        {
            Flush(word, ref length, ref words);
        }

        word[length++] = folded;
    }

    private static void Flush(scoped Span<char> word, ref int length, ref WordCounts words)
    {
        if (length > 0)
        {
            words.Add(PluralStemmer.Stem(word[..length]));
            length = 0;
        }
    }

    /// <summary>Where no spaces part the words, each character and each pair of neighbours counts as one.</summary>
    private static void AddUnspaced(char previous, char current, ref WordCounts words)
    {
        words.Add([current]);
        if (previous != CharacterFolding.Separator)
        {
            words.Add([previous, current]);
        }
    }

    private static void AddWord(Span<float> vector, ReadOnlySpan<char> word, ulong hash, int count)
    {
        // Nearly linear while a word is rare in the text, at most 21: a passage is about what it repeats, a long document is not one word.
        var frequency = 21f * count / (count + 20f);
        if (FunctionWords.Contains(hash, word.Length))
        {
            AddFeature(vector, hash, frequency * FunctionWordWeight);
            return;
        }

        var weight = frequency * s_lengthWeights[Math.Min(word.Length, s_lengthWeights.Length - 1)];
        AddFeature(vector, hash, weight * HalfPower);
        AddFeature(vector, FeatureHash.Next(hash), weight * HalfPower);
        if (word.Length > 1)
        {
            AddGrams(vector, word, weight * GramsWeight / MathF.Sqrt(word.Length - 1));
        }
    }

    /// <summary>Adds the 4-grams of the word between its two marks: one fewer than the word has characters.</summary>
    private static void AddGrams(Span<float> vector, ReadOnlySpan<char> word, float weight)
    {
        var gram = ((ulong)WordStart << 16) | ((ulong)word[0] << 32) | ((ulong)word[1] << 48);
        foreach (var c in word[2..])
        {
            gram = (gram >> 16) | ((ulong)c << 48);
            AddFeature(vector, FeatureHash.OfGram(gram), weight);
        }

        gram = (gram >> 16) | ((ulong)WordEnd << 48);
        AddFeature(vector, FeatureHash.OfGram(gram), weight);
    }

    private static void AddFeature(Span<float> vector, ulong hash, float weight)
    {
        // The upper half chooses the component, the lowest bit the sign.
        var component = (int)(((hash >> 32) * (ulong)vector.Length) >> 32);
        vector[component] += (hash & 1) == 0 ? weight : -weight;
    }

    private static void Normalize(Span<float> vector)
    {
        // |x|^(3/4), of square roots only (exact in IEEE): components in which one word dominates yield to the others.
        var sum = 0d;
        for (var i = 0; i < vector.Length; i++)
        {
            var root = MathF.Sqrt(MathF.Abs(vector[i]));
            var magnitude = root * MathF.Sqrt(root);
            vector[i] = MathF.CopySign(magnitude, vector[i]);
            sum += (double)magnitude * magnitude;
        }

        if (sum == 0)
        {
            // Features that cancel each other to the last bit: improbable, but a vector must never be zero.
            vector[0] = 1f;
            return;
        }

        var scale = (float)(1 / Math.Sqrt(sum));
        for (var i = 0; i < vector.Length; i++)
        {
            vector[i] *= scale;
        }
    }

    /// <summary>(length / 12)^(1/4) up to 12 characters: long words are rarer and say more.</summary>
    private static float[] BuildLengthWeights()
    {
        var weights = new float[13];
        for (var length = 1; length < weights.Length; length++)
        {
            weights[length] = MathF.Sqrt(MathF.Sqrt(length / 12f));
        }

        return weights;
    }
}
