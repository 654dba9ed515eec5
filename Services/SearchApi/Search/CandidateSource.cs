namespace RagPlatform.SearchApi.Search;

/// <summary>Passages, best first.</summary>
/// <param name="Candidates">The passages.</param>
/// <param name="IsAll">Whether there are no others.</param>
internal sealed record Ranking(IReadOnlyList<Candidate> Candidates, bool IsAll)
{
    /// <summary>No passage at all, and there may be others.</summary>
    public static Ranking Empty { get; } = new([], false);

    /// <summary>
    /// This ranking, and behind it what a deeper one has besides. What stands further down never has the higher score: a deeper ranking may find more
    /// about a passage, but that comes too late for its place.
    /// </summary>
    public Ranking Then(Ranking deeper)
    {
        if (Candidates.Count == 0)
        {
            return deeper;
        }

        var known = Candidates.Select(c => c.ChunkId).ToHashSet();
        var most = Candidates.Min(c => c.Score);
        return new(
            [.. Candidates, .. deeper.Candidates.Where(c => !known.Contains(c.ChunkId)).Select(c => c with { Score = Math.Min(c.Score, most) })],
            deeper.IsAll);
    }
}

/// <summary>What one source has found.</summary>
/// <param name="Ranking">Its ranking.</param>
/// <param name="Weight">What it counts against others.</param>
/// <param name="Floor">The score of what it has not found; null where nobody knows better than that of its last one.</param>
/// <param name="Passages">Passages that it has read on the way, by chunk.</param>
internal sealed record SourceRanking(
    Ranking Ranking, double Weight, double? Floor = null, IReadOnlyDictionary<long, Storage.PassageRow>? Passages = null)
{
    /// <summary>Whether nothing that this source lacks is a match.</summary>
    public bool IsRequired { get; init; }
}

/// <summary>Where a search's candidates come from: opened for one search, asked once for each depth.</summary>
internal interface ICandidateSource
{
    /// <summary>Whether it ranks alike at any depth: as far as it goes, a deeper ranking begins as a shallow one.</summary>
    bool IsExact { get; }

    /// <summary>The access path that was taken, as <c>bm25</c> or <c>hnsw&gt;exact</c>.</summary>
    string Path { get; }

    /// <summary>Finds the best passages in the database.</summary>
    /// <param name="depth">How many are wanted: there are fewer only if there are no others.</param>
    /// <param name="documents">Only passages of these documents count; null for all.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    Task<SourceRanking> FindAsync(int depth, IReadOnlySet<long>? documents, CancellationToken cancellationToken);
}
