namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>
/// How much of something each of several may hold, so that one whose provider does not answer never takes it all: as much as one may have, and at
/// most half of what the others leave of four times as much. There is always something left for the next one.
/// </summary>
internal static class FairShare
{
    private const int Shares = 4;

    /// <summary>What one may hold.</summary>
    /// <param name="most">What one may hold at most.</param>
    /// <param name="others">What the others hold together.</param>
    public static int Of(int most, int others) => Math.Clamp(((Shares * most) - others) / 2, 1, most);
}
