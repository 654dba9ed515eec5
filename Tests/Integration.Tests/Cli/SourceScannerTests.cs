using RagPlatform.Cli;
using RagPlatform.Cli.Ingest;

namespace RagPlatform.Integration.Tests.Cli;

public sealed class SourceScannerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Scan_Folder_FindsWhatCanBeIngestedInOrder()
    {
        foreach (var path in (string[])["b.md", "a/x.TXT", "a/y.html", "c.markdown", "z.htm", "code.cs", ".hidden.md", ".git/a.md", "bin/a.md", "a/obj/b.md", "node_modules/c.md"])
        {
            _folder.Write(path, "text");
        }

        var scan = SourceScanner.Scan([_folder.FullPath]);

        Assert.Equal(["a/x.TXT", "a/y.html", "b.md", "c.markdown", "z.htm"], scan.Files.Select(file => file.RelativePath));
        Assert.Equal([SourceKind.Text, SourceKind.Html, SourceKind.Markdown, SourceKind.Markdown, SourceKind.Html], scan.Files.Select(file => file.Kind));
        Assert.All(scan.Files, file => Assert.Equal((Path.GetFileName(_folder.FullPath), 4L), (file.Source, file.Length)));
        Assert.Equal(1, scan.Ignored);
    }

    [Fact]
    public void Scan_LoopsOfLinks_EndAndEachFolderIsReadOnce()
    {
        _folder.Write("a/b/x.md", "text");
        Directory.CreateSymbolicLink(Path.Combine(_folder.FullPath, "a", "b", "up"), "../..");
        Directory.CreateSymbolicLink(Path.Combine(_folder.FullPath, "a", "self"), ".");
        Directory.CreateSymbolicLink(Path.Combine(_folder.FullPath, "z"), Path.Combine(_folder.FullPath, "a"));

        Assert.Equal(["a/b/x.md"], SourceScanner.Scan([_folder.FullPath]).Files.Select(file => file.RelativePath));
    }

    [Fact]
    public void Scan_Links_AreFollowedAndBrokenOnesNamed()
    {
        using var elsewhere = new TemporaryFolder();
        elsewhere.Write("x.md", "four");
        Directory.CreateSymbolicLink(Path.Combine(_folder.FullPath, "linked"), elsewhere.FullPath);
        File.CreateSymbolicLink(Path.Combine(_folder.FullPath, "file.md"), Path.Combine(elsewhere.FullPath, "x.md"));
        File.CreateSymbolicLink(Path.Combine(_folder.FullPath, "broken.md"), "nowhere.md");

        var scan = SourceScanner.Scan([_folder.FullPath]);

        Assert.Equal([("file.md", 4L), ("linked/x.md", 4L)], scan.Files.Select(file => (file.RelativePath, file.Length)));
        Assert.Equal("broken.md", Assert.Single(scan.Unreadable).Document);
    }

    [Fact]
    public void Scan_BeirFolder_TakesItsCorpusOnly()
    {
        _folder.Write("corpus.jsonl", "{}");
        _folder.Write("queries.jsonl", "{}");
        _folder.Write("deeper/corpus.jsonl", "{}");

        var file = Assert.Single(SourceScanner.Scan([_folder.FullPath]).Files);
        Assert.Equal(("corpus.jsonl", SourceKind.Corpus), (file.RelativePath, file.Kind));
    }

    [Fact]
    public void Scan_File_IsItsOwnName()
    {
        var path = _folder.Write("deep/er/notes.md", "text");

        Assert.Equal("notes.md", Assert.Single(SourceScanner.Scan([path]).Files).RelativePath);
    }

    [Theory]
    [InlineData("nothing.md", "does not exist")]
    [InlineData("photo.png", "cannot be ingested")]
    public void Scan_Unusable_SaysWhy(string name, string reason)
    {
        _folder.Write("photo.png", "text");

        Assert.Contains(reason, Assert.Throws<CliException>(() => SourceScanner.Scan([Path.Combine(_folder.FullPath, name)])).Message);
    }

    public void Dispose() => _folder.Dispose();
}
