using Microsoft.Extensions.Options;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

/// <summary>Pages are cuts of one ranking, whatever they are made of.</summary>
public sealed class PagingTests
{
    private const int Passages = 450;

    public static TheoryData<SearchMode, SearchFusion, SearchGrouping, bool, double> Kinds()
    {
        var kinds = new TheoryData<SearchMode, SearchFusion, SearchGrouping, bool, double>();
        foreach (var grouping in Enum.GetValues<SearchGrouping>())
        {
            foreach (var boosted in new[] { false, true })
            {
                foreach (var diversity in new[] { 0, 0.5 })
                {
                    kinds.Add(SearchMode.Keyword, SearchFusion.ReciprocalRank, grouping, boosted, diversity);
                    kinds.Add(SearchMode.Vector, SearchFusion.ReciprocalRank, grouping, boosted, diversity);
                    kinds.Add(SearchMode.Hybrid, SearchFusion.ReciprocalRank, grouping, boosted, diversity);
                    kinds.Add(SearchMode.Hybrid, SearchFusion.Weighted, grouping, boosted, diversity);
                }
            }
        }

        return kinds;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Pages_OfAnySearch_HaveEachHitOnceAndInOneOrder(
        SearchMode mode, SearchFusion fusion, SearchGrouping grouping, bool boosted, double diversity)
    {
        const int seed = 7;
        var request = new SearchRequest("x", mode, 200, GroupBy: grouping, Fusion: fusion, Diversity: diversity);
        var boosts = boosted ? new[] { new QueryBoost(new(3, HalfLifeDays: 1), null) } : [];
        var hits = (await RankAsync(new(TestWorkspace.Row, request with { Offset = 200 }, null, boosts, QueryText.Parse("x"), mode), seed)).Ranking;
        var whole = new List<Candidate>();
        foreach (var size in new[] { 7, 50, 200 })
        {
            whole.Clear();
            for (var offset = 0; ; offset += size)
            {
                var query = new SearchQuery(
                    TestWorkspace.Row, request with { Limit = size, Offset = offset }, null, boosts, QueryText.Parse("x"), mode);
                var (ranking, _) = await RankAsync(query, seed);
                var page = RankedPage.Cut(query, ranking).Candidates.Take(size).ToList();
                whole.AddRange(page);
                if (page.Count < size)
                {
                    break;
                }
            }

            var ids = whole.Select(c => grouping == SearchGrouping.Document ? c.DocumentKey : c.ChunkId).ToList();
            Assert.Equal(ids.Distinct(), ids);
            Assert.Equal(
                RankedPage.Cut(new(TestWorkspace.Row, request, null, boosts, QueryText.Parse("x"), mode), hits).Candidates.Take(200), whole.Take(200));
            if (diversity == 0)
            {
                Assert.Equal(whole.Select(c => c.Score).OrderDescending(), whole.Select(c => c.Score));
            }
        }

        // Whatever a source has stands somewhere.
        Assert.Equal(grouping == SearchGrouping.Document ? Passages / 5 : Passages, whole.Count);
    }

    [Fact]
    public async Task Pages_WithALowestScore_EndThere()
    {
        var query = new SearchQuery(
            TestWorkspace.Row, new("x", SearchMode.Keyword, 200, MinScore: 440), null, [], QueryText.Parse("x"), SearchMode.Keyword);

        var (ranking, _) = await RankAsync(query, 1);

        Assert.All(RankedPage.Cut(query, ranking).Candidates, c => Assert.True(c.Score >= 440));
    }

    private static Task<(Ranking Ranking, IReadOnlyDictionary<long, Storage.PassageRow> Known)> RankAsync(SearchQuery query, int seed)
    {
        var ranker = new Ranker([new Boosts(), new Turned()], Options.Create(new SearchOptions()));
        List<ICandidateSource> sources = [];
        if (query.ByKeyword)
        {
            sources.Add(new Source(seed, isExact: true));
        }

        if (query.ByVector)
        {
            sources.Add(new Source(seed + 100, isExact: false));
        }

        return ranker.RankAsync(query, sources, new SearchTrace(TimeProvider.System), CancellationToken.None);
    }

    /// <summary>All passages in some order; an inexact one misses some until it is asked deeply enough, as an index does.</summary>
    private sealed class Source(int seed, bool isExact) : ICandidateSource
    {
        public bool IsExact => isExact;

        public string Path => "test";

        public Task<SourceRanking> FindAsync(int depth, IReadOnlySet<long>? documents, CancellationToken cancellationToken)
        {
            var order = Enumerable.Range(0, Passages).ToArray();
            new Random(seed).Shuffle(order);
            var scored = order.Select((passage, place) => new Candidate(passage, passage / 5, Passages - place));
            var found = isExact || depth >= Passages ? scored : scored.Where(c => (c.ChunkId * 31) % 97 > 4000 / depth);
            List<Candidate> best = [.. found.Take(depth)];
            return Task.FromResult(new SourceRanking(new(best, depth >= Passages), 1));
        }
    }

    private sealed class Boosts : IRankStage
    {
        public bool AppliesTo(SearchQuery query) => query.Boosts.Count > 0;

        public Task<Ranking> ReadAndApplyAsync(SearchQuery query, Ranking ranking, SearchTrace trace, CancellationToken cancellationToken) =>
            Task.FromResult(ranking with
            {
                Candidates = BoostStage.Apply(
                    ranking.Candidates,
                    query.Boosts,
                    ranking.Candidates.Select(c => c.DocumentKey).Distinct().ToDictionary(
                        key => key, key => (DateTimeOffset.UnixEpoch.AddDays(key % 7), Array.Empty<bool>())),
                    DateTimeOffset.UnixEpoch.AddDays(7)),
            });
    }

    private sealed class Turned : IRankStage
    {
        public bool AppliesTo(SearchQuery query) => query.Request.Diversity > 0;

        public Task<Ranking> ReadAndApplyAsync(SearchQuery query, Ranking ranking, SearchTrace trace, CancellationToken cancellationToken) =>
            Task.FromResult(ranking with
            {
                Candidates = DiversityStage.Apply(
                    ranking.Candidates, ranking.Candidates.ToDictionary(c => c.ChunkId, c => new float[] { c.ChunkId % 3, 1 }), query.Request.Diversity),
            });
    }
}
