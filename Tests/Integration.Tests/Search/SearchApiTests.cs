using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SingleNode;

namespace RagPlatform.Integration.Tests.Search;

/// <summary>The whole platform in this process, with some documents.</summary>
public sealed class SearchNode(Backends backends) : IAsyncLifetime
{
    public const string Workspace = "planes";

    private SingleNodeApp? _app;

    public RagClient Client { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        if (!backends.AreThere)
        {
            throw backends.Missing();
        }

        var cancelled = TestContext.Current.CancellationToken;
        var (cache, _) = backends.ReserveCache();
        _app = await SingleNodeApp.StartAsync(
            new()
            {
                Postgres = await backends.CreateDatabaseAsync(),
                Valkey = cache,
                // Else what is asked for again may be there before it is asked for.
                Settings = new Dictionary<string, string?> { ["Search:WarmUpQueries"] = "0" },
            },
            cancelled);
        Http = new HttpClient { BaseAddress = _app.ApiAddress };
        Http.DefaultRequestHeaders.Authorization = new("Bearer", _app.AdminKey);
        Client = new RagClient(Http);
        await Client.CreateWorkspaceAsync(new(Workspace, Chunking: new(ChunkingStrategy.Paragraph, 200, 0)), cancelled);
        await Client.PutDocumentsAsync(
            Workspace,
            [
                new("lift", Title: "Lift of wings", Text: "The lift of a wing grows with its angle of attack. " + Filler("lift") + "\n\n"
                    + "Beyond the critical angle the boundary layer separates and the wing stalls. " + Filler("stall") + "\n\n"
                    + "A slotted flap <b>delays</b> separation. " + Filler("flap"), Metadata: Json("""{"year": 1950, "tags": ["wing", "lift"]}""")),
                new("layer", Title: "Boundary layers", Text: "A laminar boundary layer turns turbulent. " + Filler("laminar"), Metadata: Json("""{"year": 1960, "tags": ["flow"]}""")),
                new("heat", Title: "Heat transfer", Text: "Heat is transferred through the layer at the boundary of a blunt body. " + Filler("heat"), Metadata: Json("""{"year": 1960}""")),
                new("part", Title: "Part list", Text: "The bolt AX-4711 holds the strut. " + Filler("bolt"), Metadata: Json("""{"year": 2001}""")),
            ],
            TimeSpan.FromSeconds(50),
            cancelled);
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        if (_app is not null)
        {
            await _app.DisposeAsync();
        }
    }

    private static string Filler(string word) => string.Join(' ', Enumerable.Range(0, 20).Select(i => $"{word}word{i}")) + ".";

    private static JsonElement Json(string json) => JsonElement.Parse(json);
}

public sealed class SearchApiTests(SearchNode node) : IClassFixture<SearchNode>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(SearchMode.Keyword)]
    [InlineData(SearchMode.Vector)]
    [InlineData(SearchMode.Hybrid)]
    [InlineData(SearchMode.Auto)]
    public async Task Search_InEachMode_FindsTheBestDocumentFirst(SearchMode mode)
    {
        var answer = await SearchAsync(new("wing stalls beyond the critical angle", mode, Limit: 3));

        Assert.Equal("lift", answer.Hits[0].DocumentId);
        Assert.Contains("critical angle", answer.Hits[0].Text, StringComparison.Ordinal);
        Assert.Equal(answer.Hits.Select(h => h.Score).OrderDescending(), answer.Hits.Select(h => h.Score));
    }

    [Fact]
    public async Task Search_OfAPhrase_FindsOnlyWhereItIs()
    {
        var answer = await SearchAsync(new("\"boundary layer\"", SearchMode.Keyword, GroupBy: SearchGrouping.Document));
        var hybrid = await SearchAsync(new("\"boundary layer\"", SearchMode.Hybrid, GroupBy: SearchGrouping.Document, Total: true));

        // "the layer at the boundary" has both words, but not in a row.
        Assert.Equal(["layer", "lift"], answer.Hits.Select(h => h.DocumentId).Order());
        Assert.Equal(["layer", "lift"], hybrid.Hits.Select(h => h.DocumentId).Order());
        Assert.Equal(2, hybrid.Total);
    }

    [Fact]
    public async Task Search_WithAFilter_FindsAllThatMeetIt()
    {
        var answer = await SearchAsync(new(
            "anything", SearchMode.Vector, GroupBy: SearchGrouping.Document, Filter: JsonElement.Parse("""{"year": 1960}"""), Total: true));

        Assert.Equal(["heat", "layer"], answer.Hits.Select(h => h.DocumentId).Order());
        Assert.Equal(2, answer.Total);
    }

    [Fact]
    public async Task Search_WithOffsets_PagesWithoutGapsOrRepeats()
    {
        var all = await SearchAsync(new("wing layer heat bolt", SearchMode.Hybrid, Limit: 200));
        var pages = new List<long>();
        for (var offset = 0; offset < all.Hits.Count; offset += 2)
        {
            pages.AddRange((await SearchAsync(new("wing layer heat bolt", SearchMode.Hybrid, Limit: 2, Offset: offset))).Hits.Select(h => h.ChunkId));
        }

        Assert.True(all.Hits.Count >= 6);
        Assert.Equal(all.Hits.Select(h => h.ChunkId), pages);
    }

    [Theory]
    [InlineData(SearchMode.Keyword)]
    [InlineData(SearchMode.Vector)]
    [InlineData(SearchMode.Hybrid)]
    public async Task Search_WithABoostOfADocumentBehindThePage_BringsItToTheFront(SearchMode mode)
    {
        var query = new SearchRequest("wing layer heat bolt", mode, 200, GroupBy: SearchGrouping.Document);
        var last = (await SearchAsync(query)).Hits[^1].DocumentId;

        var boosted = await SearchAsync(query with
        {
            Limit = 1, GroupBy = SearchGrouping.Passage, Boosts = [new(100, JsonElement.Parse($$"""{"$id": "{{last}}"}"""))],
        });

        Assert.Equal(last, boosted.Hits[0].DocumentId);
    }

    [Fact]
    public async Task Search_WithHighlightsNeighboursAndPassages_AddsThem()
    {
        var answer = await SearchAsync(new(
            "slotted flap", SearchMode.Keyword, Limit: 1, GroupBy: SearchGrouping.Document, Highlight: true, Neighbors: 1, Passages: 3));
        var wings = await SearchAsync(new("wing", SearchMode.Keyword, Limit: 1, GroupBy: SearchGrouping.Document, Passages: 3));

        var hit = Assert.Single(answer.Hits);
        Assert.Contains("<mark>slotted</mark> <mark>flap</mark>", string.Concat(hit.Highlights!), StringComparison.Ordinal);
        Assert.DoesNotContain("<b>", string.Concat(hit.Highlights!), StringComparison.Ordinal);
        Assert.Equal(hit.Ordinal - 1, Assert.Single(hit.Neighbors!).Ordinal);
        Assert.NotEmpty(Assert.Single(wings.Hits).Passages!);
    }

    [Fact]
    public async Task Search_WithHighlights_ShowsWhatLooksLikeATagAndMarksPartsOfNames()
    {
        var id = "code-" + Guid.NewGuid().ToString("n");
        const string Text = "The call vec<float>() fills a List<Foo> of appsettings.json and /etc/rag/config.yaml \u0005 for user@example.org & co.";
        await node.Client.PutDocumentAsync(SearchNode.Workspace, id, new(Text), TimeSpan.FromSeconds(30), Cancelled);

        var answer = await SearchAsync(new("appsettings.json config foo example", SearchMode.Keyword, Limit: 1, Highlight: true));
        await node.Client.DeleteDocumentAsync(SearchNode.Workspace, id, null, Cancelled);

        var shown = string.Concat(answer.Hits[0].Highlights!);
        Assert.Contains("vec&lt;float&gt;() fills a List&lt;<mark>Foo</mark>&gt; of <mark>appsettings</mark>.<mark>json</mark>", shown, StringComparison.Ordinal);
        Assert.Contains("/etc/rag/<mark>config</mark>.yaml", shown, StringComparison.Ordinal);
        Assert.Contains("user@<mark>example</mark>.org", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Search_OfAPhraseOverTheJointOfTitleAndText_FindsNothing()
    {
        // The title ends with "wings", the text begins with "the lift".
        var joint = await SearchAsync(new("\"wings the lift\"", SearchMode.Keyword));
        var title = await SearchAsync(new("\"lift of wings\"", SearchMode.Keyword));

        Assert.Empty(joint.Hits);
        Assert.NotEmpty(title.Hits);
    }

    [Fact]
    public async Task Search_ByVectorOfQuotedWords_CountsWhatIsCompared()
    {
        var answer = await SearchAsync(new("\"boundary layer\" flow", SearchMode.Vector, Total: true));

        Assert.Equal(answer.Hits.Count, answer.Total);
    }

    [Fact]
    public async Task Search_WithPassages_FindsThemWhateverThePageHas()
    {
        var query = new SearchRequest("wing lift separation", SearchMode.Hybrid, GroupBy: SearchGrouping.Document, Passages: 3);

        var one = await SearchAsync(query with { Limit = 1 });
        var all = await SearchAsync(query with { Limit = 20 });

        Assert.Equal("lift", one.Hits[0].DocumentId);
        Assert.Equal(2, one.Hits[0].Passages!.Count);
        Assert.Equal(one.Hits[0].Passages!.Select(p => p.ChunkId), all.Hits[0].Passages!.Select(p => p.ChunkId));
        Assert.All(one.Hits[0].Passages!, p => Assert.True(p.Score <= one.Hits[0].Score));
    }

    [Theory]
    [InlineData(1e-30f)]
    [InlineData(1e25f)]
    public async Task Search_WithAVectorOfAnyLength_ScoresItsDirection(float length)
    {
        float[] unit = [.. Enumerable.Range(0, 384).Select(i => i % 5 == 0 ? 1f : 0f)];

        var expected = await SearchAsync(new(Vector: unit, Mode: SearchMode.Vector));
        var answer = await SearchAsync(new(Vector: [.. unit.Select(x => x * length)], Mode: SearchMode.Vector));

        Assert.Equal(expected.Hits.Select(h => (h.ChunkId, Math.Round(h.Score, 5))), answer.Hits.Select(h => (h.ChunkId, Math.Round(h.Score, 5))));
    }

    [Fact]
    public async Task Search_WithBoost_PutsTheBoostedFirst()
    {
        var answer = await SearchAsync(new(
            "boundary layer", SearchMode.Hybrid, GroupBy: SearchGrouping.Document,
            Boosts: [new(50, JsonElement.Parse("""{"year": {"$gt": 2000}}""")), new(1, HalfLifeDays: 30)]));

        Assert.Equal("part", answer.Hits[0].DocumentId);
    }

    [Fact]
    public async Task Search_WithExplain_SaysWhy()
    {
        var answer = await SearchAsync(new("boundary", SearchMode.Hybrid, Explain: true, Fusion: SearchFusion.Weighted, Diversity: 0.5));

        Assert.Equal("bm25+exact", answer.Plan);
        Assert.Equal(1, answer.Explanation!.Selectivity);
        Assert.Equal(3, Assert.Single(answer.Explanation.Terms).Value);
        Assert.Equal("exact", answer.Explanation.Alternatives[0].Plan);
    }

    [Fact]
    public async Task Search_Again_IsCachedUntilAWrite()
    {
        var id = "cached-" + Guid.NewGuid().ToString("n");
        var first = await SearchAsync(new("quokka", SearchMode.Keyword));
        var second = await SearchAsync(new("quokka", SearchMode.Keyword));
        await node.Client.PutDocumentAsync(SearchNode.Workspace, id, new("A quokka is no plane."), TimeSpan.FromSeconds(30), Cancelled);
        var third = await SearchAsync(new("quokka", SearchMode.Keyword));
        await node.Client.DeleteDocumentAsync(SearchNode.Workspace, id, null, Cancelled);
        var fourth = await SearchAsync(new("quokka", SearchMode.Keyword));

        Assert.Empty(first.Hits);
        Assert.Equal((false, true, false), (first.Cached, second.Cached, third.Cached));
        Assert.Equal(id, Assert.Single(third.Hits).DocumentId);
        Assert.Empty(fourth.Hits);
        Assert.True(fourth.Generation > third.Generation && third.Generation > first.Generation);
    }

    [Fact]
    public async Task Search_WithAVector_NeedsNoText()
    {
        var own = Enumerable.Range(0, 384).Select(i => i % 7 == 0 ? 1f : 0f).ToArray();

        var answer = await SearchAsync(new(Vector: own, Mode: SearchMode.Vector, Limit: 2));

        Assert.Equal(2, answer.Hits.Count);
    }

    [Theory]
    [InlineData("""{"query": ""}""", "query")]
    [InlineData("""{"query": "x", "limit": 0}""", "limit")]
    [InlineData("""{"query": "x", "limit": 100000}""", "limit")]
    [InlineData("""{"query": "x", "filter": "y"}""", "filter")]
    [InlineData("""{"query": "x", "filter": {"a": {"$gt": null}}}""", "filter.a.$gt")]
    [InlineData("""{"query": "x", "vector": [1, 2], "mode": "vector"}""", "vector")]
    [InlineData("""{"query": "x", "boosts": [{"weight": 1}]}""", "boosts[0]")]
    [InlineData("""{"query": "x", "mode": "magic"}""", "mode")]
    [InlineData("""{"query": "\u0000"}""", "query")]
    public async Task Search_OfABadRequest_NamesTheField(string json, string field)
    {
        using var body = new StringContent(json, null, "application/json");

        using var answer = await node.Http.PostAsync($"v1/workspaces/{SearchNode.Workspace}/search", body, Cancelled);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancelled);
        Assert.Equal([field], problem.GetProperty("errors").EnumerateObject().Select(e => e.Name));
    }

    [Fact]
    public async Task Search_ForAGenerationThatIsNotThere_IsAConflict()
    {
        var refusal = await Assert.ThrowsAsync<RagApiException>(() => SearchAsync(new("x", MinGeneration: long.MaxValue)));

        Assert.Equal(HttpStatusCode.Conflict, refusal.Status);
    }

    [Fact]
    public async Task Ask_WithoutAChatModel_SaysHowToGetOne()
    {
        var refusal = await Assert.ThrowsAsync<RagApiException>(async () =>
        {
            await foreach (var _ in node.Client.AskAsync(SearchNode.Workspace, new("why?"), Cancelled))
            {
            }
        });

        Assert.Equal(HttpStatusCode.NotImplemented, refusal.Status);
    }

    private Task<SearchResponse> SearchAsync(SearchRequest request) => node.Client.SearchAsync(SearchNode.Workspace, request, Cancelled);
}
