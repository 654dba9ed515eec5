using System.Globalization;
using RagPlatform.IndexingWorker.Chunking;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Tests.Chunking;

public sealed class ChunkerTests
{
    private static Chunker Create(string strategy = "markdown", int target = 1200, int overlap = 200) => new(new(strategy, target, overlap));

    private static int NewPassages(Chunker chunker, string before, string after)
    {
        var known = chunker.Split(before).Select(p => p.Hash).ToHashSet();
        return chunker.Split(after).Select(p => p.Hash).Distinct().Count(hash => !known.Contains(hash));
    }

    private static string WithoutWhiteSpace(string text) => string.Concat(text.Where(c => !char.IsWhiteSpace(c)));

    [Theory]
    [InlineData("markdown", "\u0301")]
    [InlineData("paragraph", "\u0301")]
    [InlineData("sentence", "\u0301")]
    [InlineData("fixed", "\u0301")]
    [InlineData("markdown", "\u200d")]
    [InlineData("markdown", "\ud834\udd67")] // a combining mark of two UTF-16 units
    [InlineData("fixed", "\ud834\udd67")]
    public void Split_OneCharacterWithMarksWithoutEnd_NoPassageIsTooLongAndNoneACrumb(string strategy, string mark)
    {
        var text = "Before. e" + string.Concat(Enumerable.Repeat(mark, 1_900_000 / mark.Length)) + " After.";

        var passages = Create(strategy).Split(text);

        Assert.All(passages, p => Assert.InRange(p.Text.Length, 1, 1800));
        Assert.InRange(passages.Count, 1_000, 2_500);
        Assert.All(passages, p => Assert.False(char.IsLowSurrogate(p.Text[0]) || char.IsHighSurrogate(p.Text[^1])));
        Assert.All(passages, p => Assert.InRange(System.Text.Encoding.UTF8.GetByteCount(p.Text), 1, 3 * 1800));
    }

    [Theory]
    [InlineData("markdown")]
    [InlineData("paragraph")]
    [InlineData("sentence")]
    public void Split_OneSentenceOf500ChunksChanged_AtMostThreePassagesAreNew(string strategy)
    {
        var chunker = Create(strategy);
        var sample = new SampleText(1);
        var text = strategy == "markdown" ? sample.Markdown(500_000) : sample.Plain(500_000);
        Assert.True(chunker.Split(text).Count >= 400);

        Assert.All(Enumerable.Range(0, 10), _ => Assert.InRange(NewPassages(chunker, text, sample.EditSentence(text)), 1, 3));
    }

    [Theory]
    [InlineData("markdown")]
    [InlineData("paragraph")]
    [InlineData("sentence")]
    public void Split_OneSentenceChanged_AtMostThreePassagesAreNew(string strategy)
    {
        var chunker = Create(strategy);
        for (var seed = 0; seed < 150; seed++)
        {
            var sample = new SampleText(seed);
            var text = strategy == "markdown" ? sample.Markdown(12_000) : sample.Plain(12_000);
            Assert.InRange(NewPassages(chunker, text, sample.EditSentence(text)), 0, 3);
        }
    }

    [Theory]
    [InlineData("markdown")]
    [InlineData("paragraph")]
    [InlineData("sentence")]
    public void Split_ParagraphInsertedAtTheTop_AtMostThreePassagesAreNew(string strategy)
    {
        var chunker = Create(strategy);
        for (var seed = 0; seed < 150; seed++)
        {
            var sample = new SampleText(seed);
            var text = strategy == "markdown" ? sample.Markdown(8_000) : sample.Plain(8_000);
            Assert.InRange(NewPassages(chunker, text, sample.Paragraph() + "\n\n" + text), 1, 3);
        }
    }

    [Theory]
    [InlineData("markdown", 1200, 200)]
    [InlineData("markdown", 200, 100)]
    [InlineData("paragraph", 500, 0)]
    [InlineData("sentence", 8000, 4000)]
    [InlineData("fixed", 1200, 200)]
    [InlineData("fixed", 200, 0)]
    public void Split_AnyText_LosesNothingAndKeepsItsLimits(string strategy, int target, int overlap)
    {
        var chunker = Create(strategy, target, overlap);
        for (var seed = 0; seed < 40; seed++)
        {
            var sample = new SampleText(seed);
            var text = (seed % 5) switch
            {
                0 => sample.Plain(9_000),
                1 => sample.Markdown(9_000),
                2 => sample.Noise(9_000, "abcdefgh"),
                3 => sample.Noise(9_000, "ab \n"),
                _ => string.Concat(Enumerable.Repeat(sample.Sentence() + " ", 200)),
            };
            var passages = chunker.Split(text);

            Assert.Equal(WithoutWhiteSpace(text), WithoutWhiteSpace(string.Concat(passages.Select(p => p.Text[p.Overlap..]))));
            Assert.All(passages, p =>
            {
                Assert.InRange(p.Text.Length, 1, Math.Min(target * 3 / 2, Chunker.HardLimit));
                Assert.InRange(p.Overlap, 0, overlap);
                Assert.Equal(p.Text[p.Overlap..], text.Substring(p.Start + p.Overlap, p.Text.Length - p.Overlap));
                Assert.Equal(p.Text.Trim(), p.Text);
            });
            Assert.Equal(passages, chunker.Split(text));
        }
    }

    [Theory]
    [InlineData("markdown")]
    [InlineData("fixed")]
    public void Split_SurrogatePairsWithoutSpaces_StayWhole(string strategy)
    {
        var text = string.Concat(Enumerable.Repeat("🚀👩‍🔬e\u0301", 3000));

        var passages = Create(strategy).Split(text);

        Assert.True(passages.Count > 5);
        Assert.All(passages, p =>
        {
            Assert.False(char.IsLowSurrogate(p.Text[0]));
            Assert.False(char.IsHighSurrogate(p.Text[^1]));
            Assert.NotEqual('\u0301', p.Text[0]);
        });
    }

    [Theory]
    [InlineData("")]
    [InlineData(" \n\t ")]
    public void Split_NothingButWhiteSpace_NoPassages(string text) => Assert.Empty(Create().Split(text));

    [Fact]
    public void Split_UpToOneAndAHalfTargets_OnePassage()
    {
        var text = new SampleText(1).Plain(1800)[..1790].Trim();

        Assert.Equal(text, Assert.Single(Create().Split("\n" + text + "\n")).Text);
    }

    [Fact]
    public void Split_Headings_PathNamesThem()
    {
        var sample = new SampleText(3);
        var text = $"# Guide\n\n{sample.Plain(3000)}\n## Install ##\n\n{sample.Plain(3000)}\nUse\n---\n\n{sample.Plain(3000)}\n# Notes\n\n{sample.Plain(3000)}";

        var passages = Create().Split(text);

        Assert.Equal(["Guide", "Guide › Install", "Guide › Use", "Notes"], passages.Select(p => p.Heading).Distinct());
        Assert.All(passages.Where(p => p.Text[p.Overlap] == '#'), p => Assert.Equal(0, p.Overlap));
    }

    [Fact]
    public void Split_CodeAndTablesThatFit_StayWhole()
    {
        var sample = new SampleText(5);
        var code = "```csharp\n" + string.Concat(Enumerable.Repeat("Call();\n\n# no heading\n", 50)) + "```";
        var table = string.Concat(Enumerable.Repeat("| a. B | c |\n", 80)).Trim();
        var text = sample.Plain(2500) + code + "\n\n" + sample.Plain(2500) + table + "\n\n" + sample.Plain(2500);

        var passages = Create().Split(text);

        Assert.Contains(passages, p => p.Text[p.Overlap..].Contains(code, StringComparison.Ordinal));
        Assert.Contains(passages, p => p.Text[p.Overlap..].Contains(table, StringComparison.Ordinal));
        Assert.All(passages, p => Assert.Equal("", p.Heading));
    }

    [Theory]
    [InlineData("|")]
    [InlineData("")]
    public void Split_LongTable_RepeatsItsHeaderAndCutsNoRow(string edge)
    {
        string Row(params string[] cells) => $"{edge} {string.Join(" | ", cells)} {edge}".Trim();
        var header = Row("Name", "Country", "Price") + "\n" + Row("---", ":--", "--:");
        var rows = Enumerable.Range(0, 60).Select(i => Row($"Item no. {i}", $"The land of {i}. It is far.", (7 * i).ToString(CultureInfo.InvariantCulture))).ToArray();
        var text = $"# Prices\n\nThis is what things cost.\n\n{header}\n{string.Join('\n', rows)}\n\nThat was the table. " + new SampleText(3).Plain(600);

        var passages = Create("markdown", 300, 50).Split(text);

        Assert.Equal(WithoutWhiteSpace(text), WithoutWhiteSpace(string.Concat(passages.Select(p => p.Text[p.Overlap..]))));
        Assert.All(passages, p => Assert.Equal(p.Text[p.Overlap..], text.Substring(p.Start + p.Overlap, p.Text.Length - p.Overlap)));
        Assert.All(passages, p => Assert.Equal("Prices", p.Heading));
        foreach (var row in rows)
        {
            var passage = Assert.Single(passages, p => p.Text.Split('\n').Contains(row));
            Assert.Contains(header, passage.Text, StringComparison.Ordinal);
            Assert.Equal(passage.Text.IndexOf(header, StringComparison.Ordinal), passage.Text.LastIndexOf(header, StringComparison.Ordinal));
        }

        Assert.DoesNotContain("Item", passages[^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Split_TextsWithoutTables_AreCutAsEver()
    {
        // The hashes of passages are what vectors are kept by: another cut means that everything is bought again.
        var sample = new SampleText(11);
        var text = "# A\n\n" + sample.Plain(6_000) + "\n\n## B\n\n- one | two\n- three\n\n```\na | b\n--- | ---\n```\n\na | b, no table\n" + sample.Plain(6_000);
        var cuts = Create().Split(text).Select(p => p.Start + p.Overlap);

        Assert.Equal("0 1364 2204 3173 4171 4827 5354 6250 7645 8331 8891 9624 10586 11688", string.Join(' ', cuts));
    }

    [Fact]
    public void Split_Sentences_AreNotCutInside()
    {
        var text = new SampleText(7).Plain(50_000);

        var passages = Create("sentence").Split(text);

        Assert.All(passages, p => Assert.True(char.IsUpper(p.Text[p.Overlap]) && p.Text[^1] is '.' or '?', p.Text));
    }

    [Fact]
    public void Split_IdeographicText_CutsAtItsSentences()
    {
        var text = string.Concat(Enumerable.Repeat("これは長い文章です、そして続きます。次の文はここから始まる！", 200));

        var passages = Create("sentence").Split(text);

        Assert.True(passages.Count > 3);
        Assert.All(passages, p => Assert.True(p.Text[^1] is '。' or '！', p.Text));
    }

    [Fact]
    public void Create_UnknownStrategy_Throws() =>
        Assert.Throws<ArgumentException>(() => new Chunker(new ChunkingRow("random", 1200, 200)));
}
