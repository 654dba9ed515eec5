using System.Text;
using System.Text.Json;
using RagPlatform.Cli.Ingest;

namespace RagPlatform.Cli.Tests.Ingest;

public sealed class SourceReaderTests
{
    private static readonly SourceReader s_reader = new("", (_, _) => false);
    private static readonly SourceFile s_corpus = new("/c/corpus.jsonl", "corpus.jsonl", "c", SourceKind.Corpus, 0);

    [Fact]
    public void ReadContent_Markdown_IsTitledByItsFirstHeading()
    {
        var document = Read("guide/a.md", SourceKind.Markdown, "intro\n\n# The `rag` *tool*\n\ntext")!;

        Assert.Equal(("guide/a.md", "The rag tool", "intro\n\n# The `rag` *tool*\n\ntext"), (document.Id, document.Title, document.Text));
        Assert.Equal("""{"source":"docs","path":"guide/a.md","format":"markdown"}""", document.Metadata.GetRawText());
    }

    [Fact]
    public void ReadContent_MarkdownWithFrontMatter_IsTitledByIt()
    {
        var document = Read("a.md", SourceKind.Markdown, "---\ntags: x\ntitle: \"Front\"\n---\n\n# Heading\n")!;

        Assert.Equal(("Front", "# Heading\n"), (document.Title, document.Text));
    }

    [Theory]
    [InlineData("notes/plan.txt", "Text")]
    [InlineData("plan.md", "Markdown")]
    [InlineData("plan.html", "Html")]
    public void ReadContent_NoTitle_IsTitledByItsName(string path, string kind) =>
        Assert.Equal("plan", Read(path, Enum.Parse<SourceKind>(kind), "just text")!.Title);

    [Fact]
    public void ReadContent_Prefix_IsPutBeforeTheIdOnly()
    {
        var file = new SourceFile("/d/a.txt", "a.txt", "d", SourceKind.Text, 0);
        var document = new SourceReader("team/", (_, _) => false).ReadContent(file, "x"u8.ToArray()).Document!;

        Assert.Equal("team/a.txt", document.Id);
        Assert.Equal("a.txt", document.Metadata.GetProperty("path").GetString());
    }

    [Fact]
    public void ReadContent_ByteOrderMark_IsLeftOut()
    {
        byte[] content = [0xEF, 0xBB, 0xBF, (byte)'x'];

        Assert.Equal("x", Read("a.txt", SourceKind.Text, content)!.Text);
    }

    [Fact]
    public void ReadContent_TooLongTitle_IsShortened()
    {
        var title = Read("a.md", SourceKind.Markdown, "# " + new string('t', 3000))!.Title;

        Assert.Equal(1000, title.Length);
        Assert.EndsWith("…", title);
    }

    [Fact]
    public void ReadContent_Known_IsNotConverted()
    {
        var reader = new SourceReader("", (id, fingerprint) => id == "a.txt" && fingerprint.Length == 64);
        var item = reader.ReadContent(new SourceFile("/d/a.txt", "a.txt", "d", SourceKind.Text, 1), "x"u8.ToArray());

        Assert.Equal(("a.txt", null, null), (item.Id, item.Document, item.Refusal));
    }

    [Fact]
    public void ReadContent_Fingerprint_DependsOnContentAndPlace()
    {
        var fingerprints = new[] { Read("a.txt", SourceKind.Text, "x"), Read("a.txt", SourceKind.Text, "y"), Read("b.txt", SourceKind.Text, "x") }
            .Select(document => document!.Fingerprint).ToArray();

        Assert.Equal(3, fingerprints.Distinct().Count());
        Assert.Equal(fingerprints[0], Read("a.txt", SourceKind.Text, "x")!.Fingerprint);
    }

    [Theory]
    [InlineData(new byte[] { 0xC3, 0x28 }, "it is not UTF-8")]
    [InlineData(new byte[] { (byte)'a', 0, (byte)'b' }, "it contains the character NUL, so it is hardly text")]
    public void ReadContent_Unusable_IsRefused(byte[] content, string reason)
    {
        var item = s_reader.ReadContent(new SourceFile("/d/a.txt", "a.txt", "d", SourceKind.Text, 0), content);

        Assert.Equal(new Refusal("a.txt", reason), item.Refusal);
    }

    [Fact]
    public void ReadContent_TooLong_IsRefusedWithTheFigure()
    {
        var item = s_reader.ReadContent(new SourceFile("/d/a.txt", "a.txt", "d", SourceKind.Text, 0), Encoding.UTF8.GetBytes(new string('x', 2_000_001)));

        Assert.Contains("2,000,001 characters, at most 2,000,000", item.Refusal!.Reason);
    }

    [Fact]
    public void ReadCorpusLine_Document_KeepsItsMetadata()
    {
        var document = Line("""{"_id": "d1", "title": "T", "text": "body", "metadata": {"url": "u", "n": 3}}""").Document!;

        Assert.Equal(("d1", "T", "body"), (document.Id, document.Title, document.Text));
        Assert.Equal("u", document.Metadata.GetProperty("url").GetString());
        Assert.Equal(3, document.Metadata.GetProperty("n").GetInt32());
        Assert.Equal("c", document.Metadata.GetProperty("source").GetString());
    }

    [Fact]
    public void ReadCorpusLine_NumberAsId_IsItsDigits() => Assert.Equal("17", Line("""{"_id": 17, "text": "x"}""").Id);

    [Theory]
    [InlineData("""{"text": "x"}""", "corpus.jsonl, line 5", "no \"_id\"")]
    [InlineData("""{"_id": "", "text": "x"}""", "corpus.jsonl, line 5", "id is empty")]
    [InlineData("""{"_id": "a/../b", "text": "x"}""", "a/../b", "between slashes")]
    [InlineData("""{"_id": "a%2Fb", "text": "x"}""", "a%2Fb", "%2F")]
    [InlineData("""{"_id": "a\tb", "text": "x"}""", "a\tb", "control character")]
    [InlineData("""{"_id": "a", "text": 5}""", "corpus.jsonl, line 5", "strings")]
    [InlineData("""{"_id": "a", "text": "\ud800"}""", "corpus.jsonl, line 5", "strings")]
    [InlineData("""{"_id": "a", "text": "x", "metadata": []}""", "corpus.jsonl, line 5", "object")]
    [InlineData("""["a"]""", "corpus.jsonl, line 5", "strings")]
    [InlineData("""{"_id": "a", """, "corpus.jsonl, line 5", "no JSON")]
    public void ReadCorpusLine_Unusable_IsRefusedWithItsPlace(string line, string document, string reason)
    {
        var refusal = Line(line).Refusal!;

        Assert.Equal(document, refusal.Document);
        Assert.Contains(reason, refusal.Reason);
    }

    [Fact]
    public void ReadCorpusLine_NotUtf8_IsRefused()
    {
        byte[] line = [.. "{\"_id\": \"a\", \"text\": \""u8, 0xC3, 0x28, .. "\"}"u8];

        Assert.NotNull(s_reader.ReadCorpusLine(s_corpus, line, 5, line.Length).Refusal);
    }

    [Fact]
    public async Task ReadLines_TooLongLine_IsDroppedAndTheNextIsRead()
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes("first\n" + new string('x', 200_000) + "\n\nlast"));
        var lines = new List<Line>();
        await foreach (var line in LineReader.ReadAsync(stream, 1000, TestContext.Current.CancellationToken))
        {
            lines.Add(line);
        }

        Assert.Equal(["first", null, "", "last"], lines.Select(line => line.Content is null ? null : Encoding.UTF8.GetString(line.Content)));
        Assert.Equal(stream.Length, lines.Sum(line => line.Bytes));
    }

    private static SourceDocument? Read(string path, SourceKind kind, string text) => Read(path, kind, Encoding.UTF8.GetBytes(text));

    private static SourceDocument? Read(string path, SourceKind kind, byte[] content) =>
        s_reader.ReadContent(new SourceFile("/docs/" + path, path, "docs", kind, content.Length), content).Document;

    private static SourceItem Line(string line) => s_reader.ReadCorpusLine(s_corpus, Encoding.UTF8.GetBytes(line), 5, line.Length);
}
