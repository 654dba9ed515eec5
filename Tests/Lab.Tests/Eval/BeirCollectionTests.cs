using RagPlatform.Cli;
using RagPlatform.Contracts;
using RagPlatform.Lab.Eval;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Tests.Eval;

public sealed class BeirCollectionTests
{
    [Fact]
    public void ReadJudgements_HeaderAndGrades_AreRead()
    {
        using var reader = new StringReader("query-id\tcorpus-id\tscore\n1\tA\t1\n1\tB\t0\n2\tA\t2\n");
        var judgements = BeirCollection.ReadJudgements(reader, "test.tsv");

        Assert.Equal(1, judgements["1"]["A"]);
        Assert.Equal(0, judgements["1"]["B"]);
        Assert.Equal(2, judgements["2"]["A"]);
    }

    [Fact]
    public void ReadJudgements_WrongLine_NamesFileAndLine()
    {
        using var reader = new StringReader("1\tA\t1\n1 B 1\n");
        var e = Assert.Throws<CliException>(() => BeirCollection.ReadJudgements(reader, "test.tsv"));

        Assert.StartsWith("test.tsv, line 2:", e.Message);
    }

    [Fact]
    public void ReadQueries_WrongLine_NamesFileAndLine()
    {
        using var reader = new StringReader("""
            {"_id": "1", "text": "wing"}

            {"id": "2"}
            """);
        var e = Assert.Throws<CliException>(() => BeirCollection.ReadQueries(reader, "queries.jsonl"));

        Assert.StartsWith("queries.jsonl, line 3:", e.Message);
    }

    [Fact]
    public void Judge_QueryWithoutRelevantDocument_IsLeftOut()
    {
        var judgements = new Dictionary<string, Dictionary<string, int>> { ["1"] = new() { ["A"] = 1 }, ["2"] = new() { ["A"] = 0 } };
        var queries = BeirCollection.Judge([("1", "one"), ("2", "two"), ("3", "three")], judgements);

        Assert.Equal(["1"], queries.Select(q => q.Id));
    }

    [Fact]
    public void Judge_UnknownQuery_IsUnsound()
    {
        var judgements = new Dictionary<string, Dictionary<string, int>> { ["9"] = new() { ["A"] = 1 } };

        Assert.Throws<UnsoundRunException>(() => BeirCollection.Judge([("1", "one")], judgements));
    }

    [Fact]
    public void Parse_Modes_PutsHybridLast()
    {
        var errors = new List<string>();

        Assert.Equal([SearchMode.Keyword, SearchMode.Vector, SearchMode.Hybrid], EvalModes.Parse("hybrid, vector,KEYWORD,hybrid", errors.Add));
        Assert.Empty(errors);
    }

    [Theory]
    [InlineData("keyword,0")]
    [InlineData("auto")]
    [InlineData(",")]
    public void Parse_NoMode_IsAnError(string modes)
    {
        var errors = new List<string>();
        EvalModes.Parse(modes, errors.Add);

        Assert.NotEmpty(errors);
    }

    [Fact]
    public void WorkspaceName_AnyCollection_IsValid()
    {
        var name = EvalModes.WorkspaceName("Trec.COVID (α)" + new string('x', 100), DateTimeOffset.UnixEpoch);

        Assert.Matches(WorkspaceCreate.NamePattern, name);
        Assert.EndsWith("-700101000000", name);
    }

    [Fact]
    public void Ndcg10Goal_KnownCollectionAndFusion_IsTheBarOfTheIssue()
    {
        var measured = new Dictionary<SearchMode, double> { [SearchMode.Keyword] = 0.39, [SearchMode.Vector] = 0.31 };

        Assert.Equal(">=0.386", EvalGoals.Ndcg10("cranfield", SearchMode.Keyword, measured));
        Assert.Equal(">=0.678", EvalGoals.Ndcg10("med", SearchMode.Keyword, measured));
        Assert.Equal("", EvalGoals.Ndcg10("scifact", SearchMode.Keyword, measured));
        Assert.Equal("", EvalGoals.Ndcg10("cranfield", SearchMode.Vector, measured));
        Assert.Equal(">=0.38", EvalGoals.Ndcg10("scifact", SearchMode.Hybrid, measured));
        Assert.Equal("", EvalGoals.Ndcg10("cranfield", SearchMode.Hybrid, new Dictionary<SearchMode, double> { [SearchMode.Keyword] = 0.39 }));
    }
}
