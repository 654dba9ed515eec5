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
        Assert.All(scan.Files, file => Assert.Equal((Path.GetFileName(_folder.FullPath), 4L), (file.Root.Name, file.Length)));
        Assert.Equal("1 file of other kinds (1 .cs), 2 hidden entries, 3 folders of build output", scan.LeftOut.ToString());
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
    public void Scan_PipesAndDevices_AreNamedAndNeverOpened()
    {
        _folder.Write("a.md", "text");
        using (var make = System.Diagnostics.Process.Start("mkfifo", Path.Combine(_folder.FullPath, "pipe.md")))
        {
            make.WaitForExit();
        }

        File.CreateSymbolicLink(Path.Combine(_folder.FullPath, "endless.txt"), "/dev/zero");
        var scan = SourceScanner.Scan([_folder.FullPath]);

        Assert.Equal(["a.md"], scan.Files.Select(file => file.RelativePath));
        Assert.Equal(["endless.txt", "pipe.md"], scan.Unreadable.Select(refusal => refusal.Document));
        Assert.All(scan.Unreadable, refusal => Assert.Contains("a pipe", refusal.Reason));
    }

    [Fact]
    public void Scan_NameThatIsNotUtf8_IsSaid()
    {
        using (var make = System.Diagnostics.Process.Start("sh", ["-c", $"printf x > \"{_folder.FullPath}/$(printf 'gr\\374n.md')\""]))
        {
            make.WaitForExit();
        }

        var unreadable = SourceScanner.Scan([_folder.FullPath]).Unreadable;

        // .NET cannot name it, so it cannot delete it either.
        using (var remove = System.Diagnostics.Process.Start("sh", ["-c", $"rm -f {_folder.FullPath}/*"]))
        {
            remove.WaitForExit();
        }

        Assert.Equal("its name is not UTF-8", Assert.Single(unreadable).Reason);
    }

    [Fact]
    public void Scan_SameFileTwice_IsTakenOnceAndAFolderStaysWhole()
    {
        var path = _folder.Write("docs/a.md", "text");
        var scan = SourceScanner.Scan([path, Path.Combine(_folder.FullPath, "docs"), path]);

        Assert.Equal("a.md", Assert.Single(scan.Files).RelativePath);
        Assert.True(Assert.Single(scan.Roots).IsWhole);
    }

    [Fact]
    public void Scan_FileOfAFolder_IsNotTheWholeSource()
    {
        var root = Assert.Single(SourceScanner.Scan([_folder.Write("docs/a.md", "text")]).Roots);

        Assert.Equal(("docs", false), (root.Name, root.IsWhole));
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

        Assert.Contains(reason, Assert.Throws<UsageException>(() => SourceScanner.Scan([Path.Combine(_folder.FullPath, name)])).Message);
    }

    public void Dispose() => _folder.Dispose();
}
