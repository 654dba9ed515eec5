using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>A valid search on its way through planning, finding and reading.</summary>
/// <param name="workspace">The workspace.</param>
/// <param name="request">The request.</param>
/// <param name="filter">Its filter.</param>
/// <param name="boosts">Its boosts, with their filters.</param>
/// <param name="time">The clock.</param>
internal sealed class SearchJob(
    WorkspaceRow workspace, SearchRequest request, Filter? filter, IReadOnlyList<(SearchBoost Boost, Filter? Filter)> boosts, TimeProvider time)
{
    private readonly Lock _lock = new();
    private TimeSpan _databaseTime;
    private long _databaseBegan;
    private int _databaseCalls;

    public WorkspaceRow Workspace { get; } = workspace;

    public int WorkspaceId => Workspace.WorkspaceId;

    public SpaceRow Space => Workspace.Serving;

    public SearchRequest Request { get; } = request;

    public Filter? Filter { get; } = filter;

    public IReadOnlyList<(SearchBoost Boost, Filter? Filter)> Boosts { get; } = boosts;

    public QueryText Text { get; } = QueryText.Parse(request.Query);

    public SearchMode Mode => Text.Resolve(Request.Mode, Request.Vector is not null);

    /// <summary>How many hits it takes until the page is full.</summary>
    public int Depth => Request.Offset + Request.Limit;

    public SearchPlan? Plan { get; set; }

    public LexicalQueryRow? Postings { get; set; }

    public long Decoded { get; set; }

    public IReadOnlySet<long>? Allowed { get; set; }

    /// <summary>The query's vector on its way, when it was asked for ahead.</summary>
    public Task<float[]>? Embedding { get; set; }

    public float[]? Vector { get; set; }

    /// <summary>Completes when <see cref="Vector"/> is there, and for hybrid search <see cref="Nearest"/>.</summary>
    public Task Locating { get; set; } = Task.CompletedTask;

    /// <summary>The first nearest vectors of a hybrid search.</summary>
    public IReadOnlyList<VectorHitRow>? Nearest { get; set; }

    public VectorPlan VectorPlan { get; set; }

    public bool FellBack { get; set; }

    public TimeSpan EmbeddingTime { get; set; }

    /// <summary>How long the database was waited for. Calls at the same time count once, so it is never more than the search took.</summary>
    public TimeSpan DatabaseTime
    {
        get
        {
            lock (_lock)
            {
                return _databaseCalls == 0 ? _databaseTime : _databaseTime + time.GetElapsedTime(_databaseBegan);
            }
        }
    }

    /// <summary>Awaits work of the database, and counts its time.</summary>
    public async Task<T> TimeAsync<T>(Task<T> work)
    {
        lock (_lock)
        {
            if (_databaseCalls++ == 0)
            {
                _databaseBegan = time.GetTimestamp();
            }
        }

        try
        {
            return await work;
        }
        finally
        {
            lock (_lock)
            {
                if (--_databaseCalls == 0)
                {
                    _databaseTime += time.GetElapsedTime(_databaseBegan);
                }
            }
        }
    }

    /// <summary>The access paths, as <c>bm25+hnsw</c>; <c>hnsw&gt;exact</c> when the index did not find enough.</summary>
    public string DescribePlan()
    {
        var byVector = (FellBack ? QueryPlanner.Describe(Plan!.Plan) + ">" : "") + QueryPlanner.Describe(VectorPlan);
        var byKeyword = (Allowed is null ? "bm25" : "bm25-filtered") + (Text.Phrases.Count > 0 ? "-phrase" : "");
        return Mode switch
        {
            SearchMode.Keyword => byKeyword,
            SearchMode.Vector => byVector,
            _ => $"{byKeyword}+{byVector}",
        };
    }

    /// <summary>Why the plan was chosen.</summary>
    public SearchExplanation Explain() => new(
        Plan!.Chunks,
        Math.Round(Plan.MatchingChunks, 1),
        Plan.Chunks == 0 ? 1 : Math.Round(Plan.MatchingChunks / Plan.Chunks, 6),
        Mode == SearchMode.Keyword ? 0 : Plan.Ef,
        Postings?.Terms.ToDictionary(t => t.Term, t => t.Documents) ?? [],
        Decoded,
        Mode == SearchMode.Keyword ? [] : Plan.Alternatives);
}
