using System.Text;
using System.Text.Json;
using RagPlatform.Cli.Ingest;

namespace RagPlatform.Cli.Tests.Ingest;

public sealed class SourceReaderTests
{
    private static readonly SourceIdentity s_identity = new("handbook", "", "here");
    private static readonly SourceRoot s_docs = new("/docs", "docs", true);
    private static readonly SourceReader s_reader = new("", s_identity, (_, _) => false);
    private static readonly SourceFile s_corpus = new("/c/corpus.jsonl", "corpus.jsonl", new SourceRoot("/c", "c", true), SourceKind.Corpus, 0);

    [Fact]
    public void ReadContent_Markdown_IsTitledByItsFirstHeading()
    {
        var document = Read("guide/a.md", SourceKind.Markdown, "intro\n\n# The `rag` *tool*\n\ntext")!;

        Assert.Equal(("guide/a.md", "The rag tool", "intro\n\n# The `rag` *tool*\n\ntext"), (document.Id, document.Title, document.Text));
        Assert.Equal("""{"source":"docs","path":"guide/a.md","format":"markdown","_source":"handbook"}""", document.Metadata.GetRawText());
    }

    [Fact]
    public void ReadContent_MarkdownWithFrontMatter_IsTitledByIt()
    {
        var document = Read("a.md", SourceKind.Markdown, "---\ntags: x\ntitle: \"Front\"\n---\n\n# Heading\n")!;

        Assert.Equal(("Front", "# Heading\n"), (document.Title, document.Text));
    }

    [Fact]
    public void ReadContent_FrontMatter_BecomesMetadata()
    {
        var document = Read("a.md", SourceKind.Markdown, "---\ntitle: T\ntags: [a, b]\nversion: 1.10\nyear: 2026\ndraft: false\npath: mine\nnested: {x: 1}\n---\ntext")!;

        Assert.Equal(
            """{"source":"docs","path":"a.md","format":"markdown","_source":"handbook","tags":["a","b"],"version":"1.10","year":2026,"draft":false}""",
            document.Metadata.GetRawText());
    }

    [Theory]
    [InlineData("---\n\n# Notes\n\nThis stays.\n\n---\n\nrest")]
    [InlineData("---\nThis paragraph stays.\n---\nrest")]
    [InlineData("---\n- a\n- b\n---\nrest")]
    [InlineData("---\ntitle: never closed\n")]
    [InlineData("---")]
    public void ReadContent_RuleAtTheBeginning_LosesNothing(string text) =>
        Assert.Equal(text, Read("a.md", SourceKind.Markdown, text)!.Text);

    [Theory]
    [InlineData("title: >\n  A folded\n  title", "A folded title")]
    [InlineData("title: |\n  Of lines\n", "Of lines")]
    [InlineData("title: 'It''s quoted'", "It's quoted")]
    [InlineData("Title: \"a \\u00e9\"", "a é")]
    [InlineData("title: plain # with a comment", "plain")]
    public void ReadContent_TitleInYaml_IsReadAsYaml(string yaml, string expected) =>
        Assert.Equal(expected, Read("a.md", SourceKind.Markdown, $"---\n{yaml}\n---\n# Heading\n")!.Title);

    [Theory]
    [InlineData("utf-16")]
    [InlineData("utf-16BE")]
    [InlineData("utf-32")]
    [InlineData("utf-8")]
    public void ReadContent_ByteOrderMark_SaysTheEncoding(string name)
    {
        var encoding = Encoding.GetEncoding(name);

        Assert.Equal("Größe 😀", Read("a.txt", SourceKind.Text, [.. encoding.GetPreamble(), .. encoding.GetBytes("Größe 😀")])!.Text);
    }

    [Theory]
    [InlineData("<meta charset=iso-8859-1>", 28591)]
    [InlineData("<meta http-equiv='Content-Type' content='text/html; charset=windows-1251'>", 1251)]
    [InlineData("<!-- <meta charset=utf-8> --><meta charset='shift_jis'>", 932)]
    [InlineData("<meta charset=\"GBK\">", 936)]
    public void ReadContent_DeclaredEncoding_IsTaken(string declaration, int codePage)
    {
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
        var word = codePage switch { 28591 => "Köln", 1251 => "Москва", 932 => "東京", _ => "北京" };
        var page = Encoding.GetEncoding(codePage).GetBytes($"<html><head>{declaration}<title>{word}</title></head><body>{word}</body></html>");
        var document = Read("a.html", SourceKind.Html, page)!;

        Assert.Equal((word, word), (document.Title, document.Text));
    }

    [Theory]
    [InlineData("<meta charset=nonsense>", "it declares the encoding 'nonsense', which is not known")]
    [InlineData("<meta charset=utf-8>", "it is not in utf-8, the encoding that it declares")]
    [InlineData("", "it is not UTF-8, and declares no encoding")]
    public void ReadContent_PageInNoEncoding_IsRefused(string declaration, string reason)
    {
        var item = s_reader.ReadContent(
            new SourceFile("/d/a.html", "a.html", s_docs, SourceKind.Html, 0), [.. Encoding.ASCII.GetBytes(declaration), 0xC3, 0x28]);

        Assert.Equal(reason, item.Refusal!.Reason);
    }

    [Fact]
    public void ReadContent_PageNestedWithoutEnd_IsRefusedAndTheNextIsRead()
    {
        var page = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("<div>", 200_000)) + "x");
        var item = s_reader.ReadContent(new SourceFile("/d/a.html", "a.html", s_docs, SourceKind.Html, 0), page);

        Assert.Equal("its elements are nested too deeply", item.Refusal!.Reason);
    }

    [Fact]
    public void Identity_TellsFoldersPrefixesAndMachinesApart()
    {
        string[] all =
        [
            new SourceIdentity(null, "", "here").Of(new("/a/docs", "docs", true)),
            new SourceIdentity(null, "", "here").Of(new("/b/docs", "docs", true)),
            new SourceIdentity(null, "team1", "here").Of(new("/a/docs", "docs", true)),
            new SourceIdentity(null, "team10/", "here").Of(new("/a/docs", "docs", true)),
            new SourceIdentity(null, "", "there").Of(new("/a/docs", "docs", true)),
            new SourceIdentity("handbook", "", "here").Of(new("/a/docs", "docs", true)),
            new SourceIdentity("handbook", "team1", "here").Of(new("/a/docs", "docs", true)),
        ];

        Assert.Equal(all.Length, all.Distinct().Count());
        Assert.Equal(all[5], new SourceIdentity("handbook", "", "there").Of(new("/b/docs", "docs", true)));
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
        var file = new SourceFile("/d/a.txt", "a.txt", s_docs, SourceKind.Text, 0);
        var document = new SourceReader("team/", s_identity, (_, _) => false).ReadContent(file, "x"u8.ToArray()).Document!;

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
        var reader = new SourceReader("", s_identity, (id, fingerprint) => id == "a.txt" && fingerprint.Length == 64);
        var item = reader.ReadContent(new SourceFile("/d/a.txt", "a.txt", s_docs, SourceKind.Text, 1), "x"u8.ToArray());

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
        var item = s_reader.ReadContent(new SourceFile("/d/a.txt", "a.txt", s_docs, SourceKind.Text, 0), content);

        Assert.Equal(new Refusal("a.txt", reason), item.Refusal);
    }

    [Fact]
    public void ReadContent_TooLong_IsRefusedWithTheFigure()
    {
        var item = s_reader.ReadContent(new SourceFile("/d/a.txt", "a.txt", s_docs, SourceKind.Text, 0), Encoding.UTF8.GetBytes(new string('x', 2_000_001)));

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
        Assert.Equal("handbook", document.Metadata.GetProperty("_source").GetString());
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
        s_reader.ReadContent(new SourceFile("/docs/" + path, path, s_docs, kind, content.Length), content).Document;

    private static SourceItem Line(string line) => s_reader.ReadCorpusLine(s_corpus, Encoding.UTF8.GetBytes(line), 5, line.Length);
}
