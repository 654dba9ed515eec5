using RagPlatform.Cli.Ingest;

namespace RagPlatform.Cli.Tests.Ingest;

public sealed class HtmlTextTests
{
    [Fact]
    public void Read_Page_KeepsHeadingsListsTablesAndCode()
    {
        var (title, text) = HtmlText.Read("""
            <!doctype html><html><head><title> The  page </title><style>p { color: red }</style></head>
            <body><nav>Home</nav>
            <h1>Top</h1>
            <p>One <b>bold</b>
               word&amp;more.</p>
            <ul><li>first</li><li><p>second</p></li></ul>
            <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
            <pre>x = 1
              y</pre>
            <script>alert(1)</script><p hidden>no</p>tail
            </body></html>
            """);

        Assert.Equal("The page", title);
        Assert.Equal(
            "# Top\n\nOne bold word&more.\n\n- first\n- second\n\na | b\n1 | 2\n\n```\nx = 1\n  y\n```\n\ntail",
            text.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Read_Main_LeavesOutWhatIsAroundIt()
    {
        var (title, text) = HtmlText.Read("<body><header>logo</header><main><h1>T</h1><div>a</div><div>b</div></main><footer>c</footer></body>");

        Assert.Equal("T", title);
        Assert.Equal("# T\n\na\n\nb", text);
    }

    [Fact]
    public void Read_BrokenMarkup_StillHasItsText() => Assert.Equal("a b c", HtmlText.Read("<p>a <b>b <i>c").Text);

    [Fact]
    public void Read_Nothing_IsEmpty() => Assert.Equal(("", ""), HtmlText.Read(""));
}
