using System.Security.Cryptography;
using System.Text;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>A boost with its condition.</summary>
/// <param name="Boost">The boost.</param>
/// <param name="Filter">Its condition, or null.</param>
internal sealed record QueryBoost(SearchBoost Boost, Filter? Filter);

/// <summary>A search as it was read: what is wanted, checked and understood. The first value of the chain that answers it.</summary>
/// <param name="Workspace">The workspace.</param>
/// <param name="Request">The request.</param>
/// <param name="Filter">Its filter, or null.</param>
/// <param name="Boosts">Its boosts.</param>
/// <param name="Text">What its text says.</param>
/// <param name="Mode">How passages are found: never <see cref="SearchMode.Auto"/>.</param>
/// <param name="Vector">The query's vector of length 1, if the request has one.</param>
internal sealed record SearchQuery(
    WorkspaceRow Workspace,
    SearchRequest Request,
    Filter? Filter,
    IReadOnlyList<QueryBoost> Boosts,
    QueryText Text,
    SearchMode Mode,
    float[]? Vector = null)
{
    /// <summary>The workspace's key.</summary>
    public int WorkspaceId => Workspace.WorkspaceId;

    /// <summary>The space that is searched.</summary>
    public SpaceRow Space => Workspace.Serving;

    /// <summary>How many hits it takes until the page is full.</summary>
    public int Need => Request.Offset + Request.Limit;

    /// <summary>Whether each document is one hit.</summary>
    public bool ByDocument => Request.GroupBy == SearchGrouping.Document;

    /// <summary>Whether keywords are looked up.</summary>
    public bool ByKeyword => Mode != SearchMode.Vector;

    /// <summary>Whether vectors are compared.</summary>
    public bool ByVector => Mode != SearchMode.Keyword;

    /// <summary>Whether something else than its sources decides about the order.</summary>
    public bool IsReordered => Boosts.Count > 0 || Request.Diversity > 0;

    /// <summary>Whether what one source finds is the ranking as it is.</summary>
    public bool IsPlain => Mode != SearchMode.Hybrid && !IsReordered;

    /// <summary>
    /// Whether its answer depends on nothing but the request and the workspace's generation. A boost by age depends on the time; words that are spelt alike
    /// depend on the vocabulary, which grows some seconds after a passage was written.
    /// </summary>
    public bool IsRepeatable => !Request.Fuzzy && !Boosts.Any(b => b.Boost.HalfLifeDays is not null);

    /// <summary>Names the filter: equal for filters that are written alike.</summary>
    public string FilterKey { get; } = Request.Filter is { } written
        ? Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(written.GetRawText())))
        : "";

    /// <summary>The same search by keywords alone. A lowest score was meant for scores of another kind.</summary>
    public SearchQuery ByKeywordOnly() => this with { Mode = SearchMode.Keyword, Request = Request with { MinScore = null } };
}
