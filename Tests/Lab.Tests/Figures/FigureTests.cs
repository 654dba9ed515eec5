using RagPlatform.Cli;
using RagPlatform.Lab.Bench;
using RagPlatform.Lab.Figures;

namespace RagPlatform.Lab.Tests.Figures;

public sealed class FigureTests
{
    [Fact]
    public void ToJson_Figure_IsTheLineThatScriptsRead() =>
        Assert.Equal(
            """{"figure":"eval.cranfield.keyword.ndcg10","value":0.39,"unit":"","goal":">=0.386","holds":true}""",
            new Figure("eval.cranfield.keyword.ndcg10", 0.39, "", ">=0.386").ToJson());

    [Fact]
    public void ToJson_LargeAndTinyValues_AreNumbers()
    {
        Assert.Contains("\"value\":1000000000", new Figure("f", 1e9).ToJson());
        Assert.Contains("\"value\":0.000001", new Figure("f", 1e-6).ToJson().Replace("1E-06", "0.000001", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1.0, ">=1", true)]
    [InlineData(0.999999, ">=1", false)]
    [InlineData(1.0, "<=1", true)]
    [InlineData(1.1, "<=1", false)]
    [InlineData(1.0, ">1", false)]
    [InlineData(1.0, "<1", false)]
    [InlineData(0.0, "==0", true)]
    [InlineData(1.0, "==0", false)]
    [InlineData(-5.0, "", true)]
    public void Holds_Goal_IsCompared(double value, string goal, bool holds) => Assert.Equal(holds, new Figure("f", value, "", goal).Holds);

    [Fact]
    public void Holds_ValueThatRoundsUpToTheBar_AgreesWithWhatIsPrinted()
    {
        var figure = new Figure("f", 0.3859999999, "", ">=0.386");

        Assert.Equal(0.386, figure.Value);
        Assert.True(figure.Holds);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Figure_NoFiniteNumber_IsUnsound(double value) => Assert.Throws<UnsoundRunException>(() => new Figure("f", value));

    [Theory]
    [InlineData("about 3")]
    [InlineData("!3")]
    [InlineData(">=")]
    public void Figure_NoGoal_Throws(string goal) => Assert.Throws<FormatException>(() => new Figure("f", 1, "", goal));

    [Fact]
    public void Add_SameNameTwice_Throws()
    {
        var report = new FigureReport(Silent(), json: false);
        report.Add("f", 1);

        Assert.Throws<ArgumentException>(() => report.Add("f", 2));
    }

    [Theory]
    [InlineData(new double[] { 5, 1, 3, 2, 4 }, 50, 3)]
    [InlineData(new double[] { 1, 2, 3, 4 }, 50, 2)]
    [InlineData(new double[] { 1, 2, 3, 4 }, 95, 4)]
    [InlineData(new double[] { 7 }, 1, 7)]
    public void Percentile_NearestRank_IsOneOfTheValues(double[] values, double percent, double expected) =>
        Assert.Equal(expected, Percentiles.Of(values, percent));

    [Theory]
    [InlineData(new double[] { 3, 1, 2 }, 2)]
    [InlineData(new double[] { 4, 1, 2, 3 }, 2.5)]
    public void Median_Values_IsTheMiddle(double[] values, double expected) => Assert.Equal(expected, Percentiles.Median(values));

    private static CliEnvironment Silent() => new() { Output = TextWriter.Null, Error = TextWriter.Null };
}
