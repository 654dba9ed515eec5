using RagPlatform.Cli.Ingest;

namespace RagPlatform.Cli.Tests.Ingest;

public sealed class HtmlTextTests
{
    [Fact]
    public void Read_Page_KeepsHeadingsListsTablesAndCode()
    {
        var page = HtmlText.Read("""
            <!doctype html><html><head><title> The  page </title><style>p { color: red }</style></head>
            <body><nav>Home</nav>
            <h1>Top</h1>
            <p>One <b>bold</b>
               word&amp;more.</p>
            <ul><li>first</li><li><p>second</p></li></ul>
            <ol start=3><li>third<ul><li>below</li></ul><li>fourth</ol>
            <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
            <pre>x = 1
              y</pre>
            <script>alert(1)</script><p hidden>no</p><p style="display: none">no</p>tail
            </body></html>
            """);

        Assert.Equal("The page", page.Title);
        Assert.Equal(1, page.LeftOut);
        Assert.Equal(
            "# Top\n\nOne bold word&more.\n\n- first\n- second\n3. third\n  - below\n4. fourth\n\n"
            + "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n```\nx = 1\n  y\n```\n\ntail",
            page.Text().ReplaceLineEndings("\n"));
    }

    [Theory]
    [InlineData("<body><header>logo</header><main><h1>T</h1><div>a</div><div>b</div></main><footer>c</footer></body>", "# T\n\na\n\nb")]
    [InlineData("<main></main><p>text</p>", "text")]
    [InlineData("<main><p>one</p></main><p>between</p><main><p>two</p></main>", "one\n\ntwo")]
    [InlineData("<main hidden><p>one</p></main><div role=main>two</div>", "two")]
    public void Read_Main_LeavesOutWhatIsAroundIt(string html, string expected) => Assert.Equal(expected, HtmlText.Read(html).Text());

    [Theory]
    [InlineData("<p>a <b>b <i>c", "a b c")]
    [InlineData("<p>Ver&shy;fas&shy;sung</p>", "Verfassung")]
    [InlineData("<p>say <q>yes</q><br>now</p>", "say \"yes\"\nnow")]
    [InlineData("<p><ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby></p>", "漢(kan)")]
    [InlineData("<h2>Setup<a href='#setup'>¶</a></h2><p>text</p>", "## Setup\n\ntext")]
    [InlineData("<h2>Setup</h2><div><h3>Note</h3><p>a</p></div><p>b</p>", "## Setup\n\n**Note**\n\na\n\nb")]
    [InlineData("<dl><dt>lease</dt><dd>how long</dd><dd>again</dd><dt>task</dt><dd>a unit</dd></dl>", "lease\nhow long\nagain\n\ntask\na unit")]
    [InlineData("", "")]
    public void Read_Markup_IsWhatAReaderSees(string html, string expected) => Assert.Equal(expected, HtmlText.Read(html).Text());

    [Theory]
    [InlineData("<pre>a<br>b</pre>", "```\na\nb\n```")]
    [InlineData("<pre><code><div>a</div><div>  b</div></code></pre>", "```\na\n  b\n```")]
    [InlineData("<pre><span>a\n</span><span>b</span></pre>", "```\na\nb\n```")]
    [InlineData("<pre>```\nx\n```</pre>", "````\n```\nx\n```\n````")]
    public void Read_Preformatted_KeepsItsLines(string html, string expected) =>
        Assert.Equal(expected, HtmlText.Read(html).Text().ReplaceLineEndings("\n"));

    [Theory]
    // An empty cell keeps its place.
    [InlineData("<tr><th>Name<th>Age<th>Score<tr><td>Ann<td><td>7", "| Name | Age | Score |\n| --- | --- | --- |\n| Ann |  | 7 |")]
    // What is one below the other in a cell is not glued; scripts are no text; a bar does not end a cell.
    [InlineData("<tr><th>a<th>b<tr><td><p>one</p><p>two</p><script>x=1</script><td>l1<br>l2<ul><li>p|q<li>r</ul>",
        "| a | b |\n| --- | --- |\n| one two | l1 l2 - p\\|q - r |")]
    // A cell stands in each row and column that it spans.
    [InlineData("<tr><th>a<th>b<th>c<tr><td rowspan=2>x<td colspan=2>y<tr><td>1<td>2", "| a | b | c |\n| --- | --- | --- |\n| x | y |  |\n| x | 1 | 2 |")]
    [InlineData("<caption>Prices</caption><thead><tr><th colspan=2>Sum<tr><th>net<th>gross</thead><tbody><tr><td>1<td>2</tbody>",
        "Prices\n\n| Sum net | gross |\n| --- | --- |\n| 1 | 2 |")]
    [InlineData("<tr><td>1<td>2<tr><td>3<td>4", "| 1 | 2 |\n| 3 | 4 |")]
    // One column, one row of blocks, headings: it arranges a page.
    [InlineData("<tr><td>one<tr><td>two", "one\n\ntwo")]
    [InlineData("<tr><td><h1>T</h1><p>First.</p><p>Second.</p><td>Line one<br>Line two<ul><li>apple<li>pear</ul>",
        "# T\n\nFirst.\n\nSecond.\n\nLine one\nLine two\n\n- apple\n- pear")]
    public void Read_Table_IsATableWithEveryCellInItsPlace(string rows, string expected) =>
        Assert.Equal(expected, HtmlText.Read($"<table>{rows}</table>").Text());

    [Theory]
    [InlineData("<table><tr><th colspan=3>8.14. JSON Types<tr><td><a href=p>Prev</a><td><a href=u>Up</a><td><a href=n>Next</a></table>")]
    [InlineData("<div><a href=1>« Previous</a> | <a href=2>Home</a></div>")]
    [InlineData("<ul><li><a href=1>One</a><li><a href=2>Two</a><li><a href=3>Three</a><li><a href=4>Four</a></ul>")]
    [InlineData("<div class='toc'><p>Contents</p><a href=1>The first chapter</a></div>")]
    [InlineData("<div role=navigation>anything</div>")]
    public void Read_Navigation_IsLeftOutAndCounted(string navigation)
    {
        var page = HtmlText.Read($"{navigation}<p>What it is about.</p>");

        Assert.Equal(("What it is about.", 1, false), (page.Text(), page.LeftOut, page.IsLinksOnly));
    }

    [Theory]
    [InlineData("<p><a href=1>One</a> <a href=2>Two</a> <a href=3>Three</a> <a href=4>Four</a></p>", "One Two Three Four")]
    [InlineData("<ul><li><a href=1>One</a> is a long explanation<li><a href=2>Two</a> is one as well, and so on</ul>",
        "- One is a long explanation\n- Two is one as well, and so on")]
    [InlineData("<footer class=footer>Written by hand.</footer>", "Written by hand.")]
    public void Read_LinksInText_StayText(string html, string expected) => Assert.Equal(expected, HtmlText.Read(html).Text());

    [Fact]
    public void Read_IndexOfABook_IsLinksOnly()
    {
        var entries = string.Concat(Enumerable.Range(0, 60).Select(i => $"<dt>term {i}, <a href={i}>The place {i}</a></dt>"));

        Assert.True(HtmlText.Read($"<h2>Index</h2><div><h3>A</h3><dl>{entries}</dl></div>").IsLinksOnly);
    }

    [Fact]
    public void Furniture_IsWhatStandsOnMostPages()
    {
        var pages = Enumerable.Range(0, 6)
            .Select(i => HtmlText.Read($"<p>Version 15 documentation</p><h2>Description</h2><p>About {i}.</p><p>{(i < 2 ? "Rare." : "")}</p>"))
            .ToArray();
        var furniture = PageFurniture.Learn(pages);
        var page = furniture.Remove(pages[0]);

        Assert.Equal(("## Description\n\nAbout 0.\n\nRare.", 1), (page.Text(), page.LeftOut));
        Assert.Same(PageFurniture.None, PageFurniture.Learn(pages[..4]));
    }
}
