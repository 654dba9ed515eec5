using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.SearchApi.Search;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Search;

/// <summary>The keyword index against BM25 computed from the chunks' texts, in every state of folding.</summary>
public sealed class LexicalIndexTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly LexicalStore _store = new(database.DataSource);
    private readonly LexicalFolder _folder = new(database.DataSource);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Read_BeforeWhileAndAfterFolding_EqualsTheTexts()
    {
        var random = new Random(1);
        var corpus = await SearchCorpus.CreateAsync(database, "folding", "simple", Cancelled);
        await AddDocumentsAsync(corpus, random, 0, 150);
        await AssertEqualsTextsAsync(corpus, random);

        Assert.InRange(await _folder.FoldAsync(corpus.WorkspaceId, Cancelled), 150, 450);
        await AssertEqualsTextsAsync(corpus, random);

        await AddDocumentsAsync(corpus, random, 150, 600);
        await AssertEqualsTextsAsync(corpus, random);
        Assert.NotEqual(0, await _folder.FoldAsync(corpus.WorkspaceId, Cancelled));
        await AssertEqualsTextsAsync(corpus, random);
        Assert.Empty(await corpus.QueryAsync<long>("SELECT lexical_id FROM lexical_delta WHERE workspace_id = $1", Cancelled));
    }

    [Fact]
    public async Task Read_AfterTitlesChanged_FindsTheNewTitleOnly()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "titles", "english", Cancelled);
        await corpus.PutAsync("a", "Old heading", "{}", Cancelled);
        await corpus.AddChunksAsync([("a", 0, "some body"), ("a", 1, "more body")], Cancelled);
        await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);

        await corpus.PutAsync("a", "Fresh heading", "{}", Cancelled);

        Assert.Empty(await FindTextsAsync(corpus, "old"));
        Assert.Equal(["more body", "some body"], await FindTextsAsync(corpus, "fresh"));
        Assert.Equal(["more body", "some body"], await FindTextsAsync(corpus, "bodies"));
    }

    [Fact]
    public async Task Read_AfterAChangeOfMetadata_KeepsTheLexicalIds()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "metadata", "english", Cancelled);
        await corpus.PutAsync("a", "Title", "{}", Cancelled);
        await corpus.AddChunksAsync([("a", 0, "body")], Cancelled);
        var before = await corpus.QueryAsync<long>("SELECT lexical_id FROM chunks WHERE workspace_id = $1", Cancelled);

        await corpus.PutAsync("a", "Title", """{"x": 1}""", Cancelled);

        Assert.Equal(before, await corpus.QueryAsync<long>("SELECT lexical_id FROM chunks WHERE workspace_id = $1", Cancelled));
    }

    [Fact]
    public async Task Fold_WithManyDeadPostings_RemovesThem()
    {
        var random = new Random(3);
        var corpus = await SearchCorpus.CreateAsync(database, "compaction", "simple", Cancelled);
        await AddDocumentsAsync(corpus, random, 0, 400);
        await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);
        for (var i = 0; i < 250; i++)
        {
            await corpus.DeleteAsync("d" + i, Cancelled);
        }

        await AssertEqualsTextsAsync(corpus, random);
        await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);
        await AssertEqualsTextsAsync(corpus, random);

        Assert.Equal(0, Assert.Single(await corpus.QueryAsync<long>(
            "SELECT sum(dead)::bigint FROM lexical_counts WHERE workspace_id = $1", Cancelled)));
        var query = await _store.ReadAsync(corpus.WorkspaceId, "simple", "w0 w1 w2", "", [], Cancelled);
        var live = (await corpus.QueryAsync<long>("SELECT lexical_id FROM chunks WHERE workspace_id = $1", Cancelled)).ToHashSet();
        Assert.All(query.Terms.SelectMany(t => t.Blocks).SelectMany(b => LexicalBlock.Decode(b.Postings)), p => Assert.Contains(p.LexicalId, live));
    }

    [Fact]
    public async Task Fold_WithDeadPostingsInBlocksAndDelta_CountsEachOnce()
    {
        var random = new Random(4);
        var corpus = await SearchCorpus.CreateAsync(database, "counted", "simple", Cancelled);
        await AddDocumentsAsync(corpus, random, 0, 300);
        await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);
        await AddDocumentsAsync(corpus, random, 300, 400);
        for (var i = 100; i < 380; i++)
        {
            await corpus.DeleteAsync("d" + i, Cancelled);
        }

        await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);

        Assert.Equal(0, Assert.Single(await corpus.QueryAsync<long>(
            "SELECT sum(dead)::bigint FROM lexical_counts WHERE workspace_id = $1", Cancelled)));
        await AssertEqualsTextsAsync(corpus, random);
    }

    [Fact]
    public async Task Fold_OfAWorkspaceThatFails_DoesNotKeepTheOthersWaiting()
    {
        var broken = await SearchCorpus.CreateAsync(database, "broken", "simple", Cancelled);
        var behind = await SearchCorpus.CreateAsync(database, "behind", "simple", Cancelled);
        await AddDocumentsAsync(broken, new Random(6), 0, 20);
        await AddDocumentsAsync(behind, new Random(7), 0, 10);
        await broken.ExecuteAsync(
            """
            INSERT INTO lexical_blocks (workspace_id, term, block, postings_count, documents, highest_impact, average_length, postings)
            SELECT DISTINCT $1::int, t.lexeme COLLATE "C", 0, 1, 1, 1::real, 1::real, '\x00'::bytea
            FROM lexical_delta d CROSS JOIN LATERAL unnest(d.terms) t WHERE d.workspace_id = $1
            """,
            Cancelled);

        var waiting = await DeltaAsync(broken);

        // What is new is left alone at first.
        for (var i = 0; i < 3; i++)
        {
            await Record.ExceptionAsync(() => _folder.FoldAsync(Cancelled));
        }

        var failure = await Record.ExceptionAsync(() => _folder.FoldAsync(Cancelled));
        var left = (await DeltaAsync(broken), await DeltaAsync(behind));
        await broken.ExecuteAsync("DELETE FROM lexical_blocks WHERE workspace_id = $1", Cancelled);

        Assert.IsType<InvalidDataException>(failure);
        Assert.Equal((waiting, 0), left);
        await _folder.FoldAsync(broken.WorkspaceId, Cancelled);
        Assert.Equal(0, await DeltaAsync(broken));

        async Task<long> DeltaAsync(SearchCorpus corpus) =>
            Assert.Single(await corpus.QueryAsync<long>("SELECT count(*) FROM lexical_delta WHERE workspace_id = $1", Cancelled));
    }

    [Fact]
    public async Task Fold_ByManyAtOnce_LosesNothingAndDoublesNothing()
    {
        var random = new Random(4);
        var corpus = await SearchCorpus.CreateAsync(database, "concurrent", "simple", Cancelled);
        var writing = Task.Run(
            async () =>
            {
                for (var i = 0; i < 10; i++)
                {
                    await AddDocumentsAsync(corpus, random, i * 20, (i + 1) * 20);
                }
            },
            Cancelled);
        var folding = Enumerable.Range(0, 3).Select(_ => Task.Run(
            async () =>
            {
                while (!writing.IsCompleted)
                {
                    await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);
                }
            },
            Cancelled));

        await Task.WhenAll(folding);
        await writing;

        await AssertEqualsTextsAsync(corpus, random);
        await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);
        await AssertEqualsTextsAsync(corpus, random);
    }

    [Fact]
    public async Task Fold_OfAll_FoldsWhatIsQuietAndNothingTwice()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "quiet", "simple", Cancelled);
        await AddDocumentsAsync(corpus, new Random(5), 0, 10);

        // Other tests of the class leave something to fold as well.
        var waiting = (await corpus.QueryAsync<long>("SELECT count(*) FROM lexical_delta WHERE $1 > 0", Cancelled)).Single();
        var folded = 0;
        for (var i = 0; i < 3; i++)
        {
            folded += await _folder.FoldAsync(Cancelled);
        }

        Assert.True(waiting >= 10);
        Assert.Equal(waiting, folded);
        Assert.Empty(await corpus.QueryAsync<long>("SELECT lexical_id FROM lexical_delta WHERE workspace_id = $1", Cancelled));
    }

    [Theory]
    [InlineData("english", "high-speed", "flow at High Speed")]
    [InlineData("english", "drag", "lift/drag ratios")]
    [InlineData("english", "strings", "a List<string> of them")]
    [InlineData("english", "json", "System.Text.Json")]
    [InlineData("english", "don't quote 'it\\", "quote it")]
    [InlineData("german", "Häuser", "das Haus")]
    [InlineData("english", "1963", "1962-1963")]
    public async Task Read_OfWordsAmongPunctuation_FindsThem(string language, string query, string text)
    {
        var corpus = await SearchCorpus.CreateAsync(database, "p" + Guid.NewGuid().ToString("n"), language, Cancelled);
        await corpus.PutAsync("a", "", "{}", Cancelled);
        await corpus.AddChunksAsync([("a", 0, text)], Cancelled);

        Assert.Equal([text], await FindTextsAsync(corpus, query));
    }

    [Theory]
    [InlineData("the of and")]
    [InlineData("?!")]
    [InlineData("\\ ' & | ! <-> :*")]
    public async Task Read_OfNoWords_HasNoTerms(string query)
    {
        var corpus = await SearchCorpus.CreateAsync(database, "n" + Guid.NewGuid().ToString("n"), "english", Cancelled);

        Assert.Empty((await _store.ReadAsync(corpus.WorkspaceId, "english", query, "", [], Cancelled)).Terms);
    }

    [Fact]
    public async Task Read_OfMoreWordsThanAreLookedUp_TakesThoseInQuotesAndTheRarest()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "long", "simple", Cancelled);
        await corpus.PutAsync("a", "", "{}", Cancelled);
        var fillers = string.Join(' ', Enumerable.Range(0, 70).Select(i => $"a{i:00}"));
        await corpus.AddChunksAsync([("a", 0, fillers), ("a", 1, fillers + " zebra"), ("a", 2, fillers + " common")], Cancelled);
        await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);

        var unknown = string.Join(' ', Enumerable.Range(0, 100).Select(i => "unknown" + i));
        var query = await _store.ReadAsync(corpus.WorkspaceId, "simple", $"{unknown} {fillers} zebra", "a69", [], Cancelled);

        Assert.Equal(64, query.Terms.Count(t => t.Count > 0));
        Assert.Contains(query.Terms, t => t.Term == "zebra");
        Assert.Contains(query.Terms, t => t.Term == "a69");
        Assert.Equal(["a62", "a63", "a64", "a65", "a66", "a67", "a68"], query.Ignored.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("aerodinamics", "aerodynamics of wings")]
    [InlineData("reynlods", "numbers of Reynolds")]
    public async Task FindSimilar_OfAMisspeltWord_GivesTheTermOfTheWorkspace(string query, string text)
    {
        var corpus = await SearchCorpus.CreateAsync(database, "f" + Guid.NewGuid().ToString("n"), "english", Cancelled);
        await corpus.PutAsync("a", "", "{}", Cancelled);
        await corpus.AddChunksAsync([("a", 0, text), ("a", 1, "something else")], Cancelled);
        await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);

        var similar = await _store.FindSimilarAsync(corpus.WorkspaceId, "english", query + " something", Cancelled);
        var postings = await _store.ReadAsync(corpus.WorkspaceId, "english", query, "", similar, Cancelled);

        var (term, similarity) = Assert.Single(similar);
        Assert.InRange(similarity, 0.3, 0.99);
        Assert.Equal(1, Assert.Single(postings.Terms, t => t.Term == term).Documents);
    }

    [Fact]
    public async Task Delete_OfAWorkspace_LeavesNothing()
    {
        var corpus = await SearchCorpus.CreateAsync(database, "gone", "simple", Cancelled);
        await AddDocumentsAsync(corpus, new Random(6), 0, 30);
        await _folder.FoldAsync(corpus.WorkspaceId, Cancelled);
        await AddDocumentsAsync(corpus, new Random(7), 30, 40);
        var workspaces = new WorkspaceStore(database.DataSource);
        await workspaces.DeleteAsync("gone", Cancelled);
        while (await workspaces.PurgeAsync(1000, Cancelled) > 0)
        {
        }

        Assert.Equal(0, Assert.Single(await corpus.QueryAsync<long>(
            """
            SELECT (SELECT count(*) FROM lexical_blocks WHERE workspace_id = $1) + (SELECT count(*) FROM lexical_delta WHERE workspace_id = $1)
                 + (SELECT count(*) FROM lexical_counts WHERE workspace_id = $1) + (SELECT count(*) FROM workspaces WHERE workspace_id = $1)
            """,
            Cancelled)));
    }

    private static async Task AddDocumentsAsync(SearchCorpus corpus, Random random, int from, int to)
    {
        await corpus.PutAsync(
            [.. Enumerable.Range(from, to - from).Select(i => new DocumentInput("d" + i, Words(random, 3), "", "{}", 1))], Cancelled);
        await corpus.AddChunksAsync(
            [.. Enumerable.Range(from, to - from).SelectMany(i => Enumerable.Range(0, random.Next(1, 4))
                .Select(ordinal => ("d" + i, ordinal, Words(random, random.Next(5, 60)))))],
            Cancelled);
    }

    // Zipf-like: w0 is in nearly every text, w99 in few.
    private static string Words(Random random, int count) =>
        string.Join(' ', Enumerable.Range(0, count).Select(_ => "w" + (int)(100 * Math.Pow(random.NextDouble(), 3))));

    private async Task AssertEqualsTextsAsync(SearchCorpus corpus, Random random)
    {
        var rows = await corpus.QueryAsync<string>(
            """
            SELECT c.lexical_id || '|' || c.document_key || '|' || d.title || ' ' || c.text
            FROM chunks c JOIN documents d USING (workspace_id, document_key) WHERE c.workspace_id = $1
            """,
            Cancelled);
        var texts = rows.Select(row => row.Split('|')).ToDictionary(
            parts => long.Parse(parts[0], null), parts => (Document: long.Parse(parts[1], null), Words: parts[2].Split(' ')));
        for (var i = 0; i < 10; i++)
        {
            var words = Words(random, 4).Split(' ');

            var query = await _store.ReadAsync(corpus.WorkspaceId, "simple", string.Join(' ', words), "", [], Cancelled);

            Assert.Equal(texts.Count, query.Chunks);
            Assert.Equal(texts.Values.Sum(t => t.Words.Length), query.Length);
            foreach (var term in query.Terms)
            {
                var postings = term.Blocks.SelectMany(b => LexicalBlock.Decode(b.Postings)).Concat(term.Recent)
                    .Where(p => texts.ContainsKey(p.LexicalId)).OrderBy(p => p.LexicalId);
                var expected = texts.Where(t => t.Value.Words.Contains(term.Term)).OrderBy(t => t.Key)
                    .Select(t => new Posting(t.Value.Document, t.Key, t.Value.Words.Count(w => w == term.Term), t.Value.Words.Length));
                Assert.Equal(expected, postings);
                Assert.Equal(words.Count(w => w == term.Term), term.QueryFrequency);
                Assert.All(term.Blocks, b => Assert.InRange(
                    LexicalBlock.HighestImpact([.. LexicalBlock.Decode(b.Postings)], b.AverageLength), 0, b.HighestImpact * (1 + 1e-6)));
            }
        }
    }

    private async Task<List<string>> FindTextsAsync(SearchCorpus corpus, string query)
    {
        var ranking = Bm25Scorer.Rank(await _store.ReadAsync(corpus.WorkspaceId, corpus.Workspace.Language, query, "", [], Cancelled), 100);
        var passages = new PassageStore(database.DataSource);
        var live = await passages.FindLiveAsync(corpus.WorkspaceId, [.. ranking.Best.Select(s => s.LexicalId)], null, [], Cancelled);
        var rows = await passages.ReadAsync(corpus.WorkspaceId, [.. live.Select(c => c.ChunkId)], Cancelled);
        return [.. rows.Select(row => row.Text).Order()];
    }
}
