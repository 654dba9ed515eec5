using System.Net;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Reads from the database what an answer shows.</summary>
internal sealed class PassageReader(PassageStore passages)
{
    // Marks that no text has: JSON may carry them, but then they are only shown as highlights.
    private const string HighlightOptions = "StartSel=\u0002,StopSel=\u0003,MaxFragments=2,MaxWords=30,MinWords=10,ShortWord=0,FragmentDelimiter=\u0004";

    /// <summary>Reads the hits of a page.</summary>
    /// <param name="query">The search.</param>
    /// <param name="page">The page.</param>
    /// <param name="others">Further passages of the page's documents, best first.</param>
    /// <param name="known">Passages that were read before, by chunk.</param>
    /// <param name="terms">The terms that were looked up; null when none were.</param>
    /// <param name="trace">The search's trace.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    public async Task<IReadOnlyList<SearchHit>> ReadAsync(
        SearchQuery query,
        RankedPage page,
        ILookup<long, Candidate> others,
        IReadOnlyDictionary<long, PassageRow> known,
        IReadOnlyCollection<string>? terms,
        SearchTrace trace,
        CancellationToken cancellationToken)
    {
        var rows = new Dictionary<long, PassageRow>(known);
        long[] unknown = [.. page.Candidates.Concat(others.SelectMany(o => o)).Select(c => c.ChunkId).Where(id => !rows.ContainsKey(id)).Distinct()];
        if (unknown.Length > 0)
        {
            foreach (var row in await trace.ReadAsync(SearchStages.Read, () => passages.ReadAsync(query.WorkspaceId, unknown, cancellationToken)))
            {
                rows[row.ChunkId] = row;
            }
        }

        IReadOnlyList<SearchHit> hits =
        [
            .. page.Candidates.Where(c => rows.ContainsKey(c.ChunkId)).Take(page.Limit).Select(c => ToHit(rows[c.ChunkId], c.Score) with
            {
                Passages = query is { ByDocument: true, Request.Passages: > 1 }
                    ? [.. others[c.DocumentKey].Where(o => o.ChunkId != c.ChunkId && rows.ContainsKey(o.ChunkId)).Take(query.Request.Passages - 1)
                        .Select(o => new SearchPassage(o.ChunkId, rows[o.ChunkId].Ordinal, o.Score, rows[o.ChunkId].Text))]
                    : null,
            }),
        ];
        return await DecorateAsync(query, hits, terms, trace, cancellationToken);
    }

    private async Task<IReadOnlyList<SearchHit>> DecorateAsync(
        SearchQuery query, IReadOnlyList<SearchHit> hits, IReadOnlyCollection<string>? terms, SearchTrace trace, CancellationToken cancellationToken)
    {
        long[] ids = [.. hits.Select(h => h.ChunkId)];
        if (query.Request.Highlight && ids.Length > 0 && query.Text.Words.Length > 0)
        {
            var language = query.Workspace.Language;
            var marked = terms ?? await trace.ReadAsync(
                SearchStages.Highlight, () => passages.ReadTermsAsync(language, query.Text.Words, cancellationToken));
            var excerpts = await trace.ReadAsync(
                SearchStages.Highlight, () => passages.HighlightAsync(query.WorkspaceId, ids, language, marked, HighlightOptions, cancellationToken));
            hits = [.. hits.Select(hit => hit with { Highlights = excerpts.TryGetValue(hit.ChunkId, out var text) ? ToHtml(text) : [] })];
        }

        if (query.Request.Neighbors > 0 && ids.Length > 0)
        {
            var neighbors = await trace.ReadAsync(
                SearchStages.Neighbors, () => passages.ReadNeighborsAsync(query.WorkspaceId, ids, query.Request.Neighbors, cancellationToken));
            hits = [.. hits.Select(hit => hit with
            {
                Neighbors = [.. neighbors[hit.ChunkId].Select(n => new SearchPassage(n.ChunkId, n.Ordinal, 0, n.Text))],
            })];
        }

        return hits;
    }

    private static string[] ToHtml(string excerpts) =>
    [
        .. excerpts.Split('\u0004').Select(excerpt =>
            WebUtility.HtmlEncode(excerpt.Trim()).Replace("\u0002", "<mark>", StringComparison.Ordinal).Replace("\u0003", "</mark>", StringComparison.Ordinal)),
    ];

    private static SearchHit ToHit(PassageRow row, double score) => new(
        row.DocumentId, row.ChunkId, row.Ordinal, score, row.Title, row.Heading, row.Text, JsonElement.Parse(row.Metadata));
}
