using Microsoft.Extensions.Logging;
using RagPlatform.SingleNode;

namespace RagPlatform.Integration.Tests.SingleNode;

public sealed class SingleNodeCommandTests
{
    [Fact]
    public void Parse_NoOptions_GivesTheDocumentedDefaults()
    {
        var options = Parse([]);

        Assert.Equal((".data", "127.0.0.1", LogLevel.Information), (options.DataFolder, options.Listen, options.LogLevel));
        Assert.Equal(
            (5080, 5081, 5082, 5083), (options.ApiPort, options.DashboardPort, options.EmbeddingPort, options.WorkerPort));
        Assert.Null(options.Postgres);
        Assert.Null(options.Valkey);
        Assert.True(options.UseValkey);
        Assert.True(options.Durable);
    }

    [Fact]
    public void Parse_OptionAndVariable_TheOptionWins()
    {
        var options = Parse(["--data", "/mine", "--port=7000"], ("RAG_DATA", "/theirs"), ("RAG_PORT", "6000"), ("RAG_POSTGRES", "Host=db"));

        Assert.Equal(("/mine", 7000, "Host=db"), (options.DataFolder, options.ApiPort, options.Postgres));
    }

    [Fact]
    public void Parse_SettingOfAService_IsPassedOn()
    {
        var options = Parse(["--Search:Timeout=00:00:03"]);

        Assert.Equal("00:00:03", options.Settings["Search:Timeout"]);
    }

    [Theory]
    [InlineData("--port", "70000")]
    [InlineData("--port", "-1")]
    [InlineData("--port")]
    [InlineData("--valkey-memory", "0")]
    [InlineData("--log", "loud")]
    [InlineData("--nonsense")]
    [InlineData("nonsense")]
    public void Parse_WrongOption_NamesItInOneLine(params string[] args)
    {
        var error = Assert.Throws<SingleNodeException>(() => Parse(args));

        Assert.Equal(SingleNodeExit.WrongOption, error.Exit);
        Assert.Contains(args[0], error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static SingleNodeOptions Parse(string[] args, params (string Name, string Value)[] environment) =>
        SingleNodeCommand.Parse(args, name => environment.FirstOrDefault(variable => variable.Name == name).Value);
}
