using Microsoft.Extensions.Options;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Search;

/// <summary>Makes one ranking of what the sources find, deep enough for the page.</summary>
internal sealed class Ranker(IEnumerable<IRankStage> stages, IOptions<SearchOptions> options)
{
    /// <summary>Ranks: always at the same depths, one behind the other, until the page is full.</summary>
    /// <param name="query">The search.</param>
    /// <param name="sources">Where candidates come from.</param>
    /// <param name="trace">The search's trace.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <returns>The ranking, and passages of it that were read on the way.</returns>
    public async Task<(Ranking Ranking, IReadOnlyDictionary<long, PassageRow> Known)> RankAsync(
        SearchQuery query, IReadOnlyList<ICandidateSource> sources, SearchTrace trace, CancellationToken cancellationToken)
    {
        var (ranking, known) = (Ranking.Empty, new Dictionary<long, PassageRow>());
        foreach (var depth in RankingDepths.Of(query, sources.All(s => s.IsExact), options.Value.FusionDepth))
        {
            var (deeper, read) = await FindAsync(query, sources, depth, documents: null, trace, cancellationToken);
            foreach (var stage in stages.Where(s => s.AppliesTo(query)))
            {
                deeper = await stage.ReadAndApplyAsync(query, deeper, trace, cancellationToken);
            }

            ranking = ranking.Then(deeper);
            foreach (var row in read)
            {
                known[row.ChunkId] = row;
            }

            if (RankedPage.IsFull(query, ranking))
            {
                break;
            }
        }

        return (ranking, known);
    }

    /// <summary>Finds and fuses candidates at one depth.</summary>
    /// <param name="query">The search.</param>
    /// <param name="sources">Where candidates come from.</param>
    /// <param name="depth">How many are wanted of each.</param>
    /// <param name="documents">Only passages of these documents count; null for all.</param>
    /// <param name="trace">The search's trace.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    public async Task<(Ranking Ranking, IEnumerable<PassageRow> Read)> FindAsync(
        SearchQuery query,
        IReadOnlyList<ICandidateSource> sources,
        int depth,
        IReadOnlySet<long>? documents,
        SearchTrace trace,
        CancellationToken cancellationToken)
    {
        var found = await Task.WhenAll(sources.Select(source => source.FindAsync(depth, documents, cancellationToken)));
        var fused = trace.Compute(SearchStages.Fuse, () => RankFusion.Fuse(found, query.Request.Fusion, options.Value.FusionRank));
        return (fused, found.SelectMany(f => f.Passages?.Values ?? []));
    }
}
