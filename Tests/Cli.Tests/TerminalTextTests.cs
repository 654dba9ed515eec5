using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Tests;

public sealed class TerminalTextTests
{
    [Theory]
    [InlineData("plain\ttext\nand 漢字 😀", "plain\ttext\nand 漢字 😀")]
    [InlineData("\u001b[2J\u001b[31mspoofed\u0007", "␛[2J␛[31mspoofed␇")]
    [InlineData("a\u009bb\u202ec\u2066d\u007f", "a\uFFFDb\uFFFDc\uFFFDd␡")]
    public void Clean_Text_ShowsWhatWouldSteer(string text, string expected) => Assert.Equal(expected, TerminalText.Clean(text));

    [Fact]
    public void Plain_Text_IsOneLine() => Assert.Equal("a␊b␉c", TerminalText.Plain("a\nb\tc"));

    [Fact]
    public void Json_Text_IsEscapedAndNothingIsLost() =>
        Assert.Equal("a\u202eb\u009b", JsonSerializer.Deserialize<string>(TerminalText.Json("\"a\u202eb\u009b\"")));

    [Fact]
    public async Task Search_HitWithEscapes_PrintsNone()
    {
        var hit = new SearchHit("e\u001b", 7, 0, 0.5, "T\u001b]0;x\u0007", "", "\u001b[2Jspoofed", JsonSerializer.SerializeToElement(new { }));
        var answer = new SearchResponse([hit], SearchMode.Hybrid, "p\u001b", "s", 4, false, new SearchTimings(1, 1, 1));
        var api = new FakeApi().On("POST /v1/workspaces/docs/search", answer);

        Assert.DoesNotContain('\u001b', (await CliRun.RunAsync(api, "search", "x", "-w", "docs")).Output);
        Assert.DoesNotContain('\u001b', (await CliRun.RunAsync(api, "search", "x", "-w", "docs", "--json")).Output);
    }

    [Fact]
    public async Task Run_MessageOfTheServerWithEscapes_PrintsNone()
    {
        var api = new FakeApi().On("POST /v1/workspaces/docs/search", new { title = "bad \u001b[2J" }, System.Net.HttpStatusCode.BadRequest);

        Assert.DoesNotContain('\u001b', (await CliRun.RunAsync(api, "search", "x", "-w", "docs")).Error);
    }
}
