using System.Globalization;
using System.Text.Json;
using RagPlatform.Cli;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Lab;

namespace RagPlatform.Integration.Tests.Api;

/// <summary>Null, infinite, huge and NUL in the place of every member and parameter of every endpoint of a node: all services, all at once.</summary>
public sealed class OddRequestTests
{
    public OddRequestTests(Backends backends)
    {
        _ = backends;
        Requirements.NeedPostgres();
        Requirements.NeedValkey();
    }

    [Fact]
    public async Task Node_EveryOddValueInEveryPlace_AnswersNothingThatItDoesNotDeclare()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();

        await LabCli.RunAsync(
            ["drill", "fuzz", "--requests", "16000", "--json"], new CliEnvironment { Output = output, Error = error }, TestContext.Current.CancellationToken);

        var figures = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonElement.Parse(line))
            .ToDictionary(f => f.GetProperty("figure").GetString()!, f => f.GetProperty("value").GetDouble());
        Assert.True(figures["fuzz.operations"] > 80, figures["fuzz.operations"].ToString(CultureInfo.InvariantCulture));
        foreach (var name in (string[])["undeclared_5xx", "unanswered", "names_of_types", "lost"])
        {
            Assert.True(figures["fuzz." + name] == 0, error.ToString());
        }
    }
}
