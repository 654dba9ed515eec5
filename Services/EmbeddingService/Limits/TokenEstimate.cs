namespace RagPlatform.EmbeddingService.Limits;

/// <summary>
/// How many tokens a text may have, before its provider counted them. Rather too many than too few: English has 4 to 4.5 characters a token in
/// OpenAI's vocabularies and code 3; scripts without spaces have about one token a character.
/// </summary>
internal static class TokenEstimate
{
    public static int Of(ReadOnlySpan<char> text)
    {
        var ascii = 0;
        foreach (var c in text)
        {
            if (char.IsAscii(c))
            {
                ascii++;
            }
        }

        return Math.Max(1, ((ascii + 2) / 3) + (text.Length - ascii));
    }

    /// <summary>Shares a counted total out to texts, in proportion to their estimates; the shares add up to it.</summary>
    public static int[] Share(long total, IReadOnlyList<int> estimates)
    {
        var shares = new int[estimates.Count];
        var sum = estimates.Sum(estimate => (long)estimate);
        var (given, seen) = (0L, 0L);
        for (var i = 0; i < shares.Length; i++)
        {
            seen += estimates[i];
            var until = sum == 0 ? 0 : (long)((Int128)total * seen / sum);
            shares[i] = (int)Math.Min(int.MaxValue, until - given);
            given = until;
        }

        return shares;
    }
}
