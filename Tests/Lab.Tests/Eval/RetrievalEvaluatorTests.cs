using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.Lab.Eval;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Tests.Eval;

public sealed class RetrievalEvaluatorTests
{
    private static readonly JudgedQuery[] s_queries =
    [
        new("1", "one", new Dictionary<string, int> { ["a"] = 1 }),
        new("2", "two", new Dictionary<string, int> { ["b"] = 1 }),
    ];

    [Fact]
    public async Task Evaluate_TwoQueries_AveragesThem()
    {
        var evaluator = new RetrievalEvaluator((request, _) => Task.FromResult(Answer(request, request.Query == "one" ? ["a"] : ["x", "b"])));
        var quality = await evaluator.EvaluateAsync(s_queries, SearchMode.Keyword, TestContext.Current.CancellationToken);

        Assert.Equal(2, quality.Queries);
        Assert.Equal(0.75, quality.Mrr10, 12);
        Assert.Equal((1 + (1 / Math.Log2(3))) / 2, quality.Ndcg10, 12);
    }

    [Fact]
    public async Task Evaluate_Request_AsksForHundredDocuments()
    {
        SearchRequest? asked = null;
        var evaluator = new RetrievalEvaluator((request, _) => Task.FromResult(Answer(asked = request, ["a"])));
        await evaluator.EvaluateAsync([s_queries[0]], SearchMode.Vector, TestContext.Current.CancellationToken);

        Assert.Equal((100, SearchGrouping.Document, SearchMode.Vector), (asked!.Limit, asked.GroupBy, asked.Mode));
    }

    [Fact]
    public async Task Evaluate_DocumentTwice_IsUnsound()
    {
        var evaluator = new RetrievalEvaluator((request, _) => Task.FromResult(Answer(request, ["a", "a"])));

        await Assert.ThrowsAsync<UnsoundRunException>(
            () => evaluator.EvaluateAsync([s_queries[0]], SearchMode.Keyword, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Evaluate_AnotherModeThanAsked_IsUnsound()
    {
        var evaluator = new RetrievalEvaluator((request, _) => Task.FromResult(Answer(request with { Mode = SearchMode.Keyword }, ["a"])));

        await Assert.ThrowsAsync<UnsoundRunException>(
            () => evaluator.EvaluateAsync([s_queries[0]], SearchMode.Vector, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Evaluate_NoQuery_IsUnsound()
    {
        var evaluator = new RetrievalEvaluator((request, _) => Task.FromResult(Answer(request, [])));

        await Assert.ThrowsAsync<UnsoundRunException>(
            () => evaluator.EvaluateAsync([], SearchMode.Keyword, TestContext.Current.CancellationToken));
    }

    private static SearchResponse Answer(SearchRequest request, string[] ids) => new(
        [.. ids.Select((id, i) => new SearchHit(id, i, 0, 10 - i, "", "", "", default(JsonElement)))],
        request.Mode, "plan", "space", 1, false, new SearchTimings(1, 0, 1));
}
