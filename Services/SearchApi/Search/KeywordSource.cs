using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>What keyword search has read of the index.</summary>
/// <param name="Postings">The postings of the query's words.</param>
/// <param name="Allowed">The documents that meet the filter, when so few do that they were listed.</param>
internal sealed record KeywordPostings(LexicalQueryRow Postings, IReadOnlySet<long>? Allowed);

/// <summary>Reads the keyword index from the database.</summary>
internal sealed class KeywordReader(LexicalStore lexical, PassageStore passages)
{
    /// <summary>Reads the postings of a search's words, and which documents meet its filter if those are few.</summary>
    public async Task<KeywordPostings> ReadAsync(SearchQuery query, Task<SearchPlan> planning, SearchTrace trace, CancellationToken cancellationToken)
    {
        var language = query.Workspace.Language;
        var similar = query.Request.Fuzzy
            ? await trace.ReadAsync(
                SearchStages.Postings, () => lexical.FindSimilarAsync(query.WorkspaceId, language, query.Text.Words, cancellationToken))
            : [];
        var postings = await trace.ReadAsync(
            SearchStages.Postings, () => lexical.ReadAsync(query.WorkspaceId, language, query.Text.Words, query.Text.Quoted, similar, cancellationToken));
        var allowed = query.Filter is { } filter && (await planning).FewMatch
            ? await trace.ReadAsync(SearchStages.Postings, () => passages.FindMatchingAsync(query.WorkspaceId, filter, cancellationToken))
            : null;
        return new(postings, allowed);
    }
}

/// <summary>Candidates by BM25.</summary>
/// <param name="query">The search.</param>
/// <param name="reading">The postings, perhaps still on their way.</param>
/// <param name="passages">Says which candidates live and meet the conditions.</param>
/// <param name="trace">The search's trace.</param>
internal sealed class KeywordSource(SearchQuery query, Task<KeywordPostings> reading, PassageStore passages, SearchTrace trace) : ICandidateSource
{
    /// <inheritdoc />
    public bool IsExact => true;

    /// <inheritdoc />
    public string Path => (IsFilteredFirst ? "bm25-filtered" : "bm25") + (query.Text.Phrases.Count > 0 ? "-phrase" : "");

    /// <summary>Postings that were looked at, at the depth that was asked for last.</summary>
    public long Decoded { get; private set; }

    private bool IsFilteredFirst => reading is { IsCompletedSuccessfully: true, Result.Allowed: not null };

    /// <inheritdoc />
    public async Task<SourceRanking> FindAsync(int depth, IReadOnlySet<long>? documents, CancellationToken cancellationToken)
    {
        var (postings, allowed) = await reading;
        var within = documents is null ? allowed : allowed is null ? documents : documents.Where(allowed.Contains).ToHashSet();

        // Some of the best may be dead, not meet the filter, or lack the phrase: ask for more until enough are left.
        for (var k = (long)depth + (depth / 4) + 20; ; k *= 8)
        {
            var ranking = trace.Compute(SearchStages.Keyword, () => Bm25Scorer.Rank(postings, (int)Math.Min(k, int.MaxValue / 2), within));
            Decoded = ranking.Decoded;
            var live = await FindLiveAsync(ranking, allowed, cancellationToken);
            if (live.Count >= depth || ranking.IsAll)
            {
                var isAll = ranking.IsAll && live.Count <= depth;
                return new(
                    new([.. live.Take(depth).Select(row => new Candidate(row.ChunkId, row.DocumentKey, ranking.Best[(int)row.Rank - 1].Score))], isAll),
                    Weight: 1,
                    // What has none of the words scores nothing.
                    Floor: isAll ? 0 : null)
                {
                    // A phrase must be there: what has it is a match, and everything else only says in which order.
                    IsRequired = query.Text.Phrases.Count > 0,
                };
            }
        }
    }

    /// <summary>Counts all matches, or the documents that they are of.</summary>
    public async Task<long> CountAsync(CancellationToken cancellationToken)
    {
        var (postings, allowed) = await reading;
        var ranking = trace.Compute(SearchStages.Count, () => Bm25Scorer.Rank(postings, int.MaxValue / 2, allowed));
        var live = await FindLiveAsync(ranking, allowed, cancellationToken);
        return query.ByDocument ? live.Select(row => row.DocumentKey).Distinct().Count() : live.Count;
    }

    private Task<IReadOnlyList<CandidateRow>> FindLiveAsync(LexicalRanking ranking, IReadOnlySet<long>? allowed, CancellationToken cancellationToken) =>
        trace.ReadAsync(SearchStages.Keyword, () => passages.FindLiveAsync(
            query.WorkspaceId,
            [.. ranking.Best.Select(s => s.LexicalId)],
            allowed is null ? query.Filter : null,
            query.Text.Phrases,
            cancellationToken));
}
