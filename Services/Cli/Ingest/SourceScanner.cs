namespace RagPlatform.Cli.Ingest;

/// <summary>What a scan found.</summary>
/// <param name="Roots">What was given, once each.</param>
/// <param name="Files">Files to be ingested, by path.</param>
/// <param name="LeftOut">What else there was.</param>
/// <param name="Unreadable">Folders, links and files that could not be followed or opened.</param>
internal sealed record SourceScan(
    IReadOnlyList<SourceRoot> Roots, IReadOnlyList<SourceFile> Files, LeftOut LeftOut, IReadOnlyList<Refusal> Unreadable);

/// <summary>
/// Finds what can be ingested below files and folders. Hidden entries and build output (<c>bin</c>, <c>obj</c>, <c>node_modules</c>) are left
/// out. Links are followed, but below a root no folder is entered twice, so a loop of links ends.
/// </summary>
internal sealed class SourceScanner
{
    /// <summary>The name of a BEIR collection's documents.</summary>
    public const string CorpusFile = "corpus.jsonl";

    private const int MostLinks = 40;

    // What .NET puts in the place of bytes that are no UTF-8.
    private const char Unreadable = '\uFFFD';

    private static readonly HashSet<string> s_skippedFolders = new(StringComparer.OrdinalIgnoreCase) { "bin", "obj", "node_modules" };

    private readonly Dictionary<string, SourceRoot> _roots = new(StringComparer.Ordinal);
    private readonly HashSet<(string Root, string Path)> _found = [];
    private readonly HashSet<string> _entered = new(StringComparer.Ordinal);
    private readonly List<SourceFile> _files = [];
    private readonly List<Refusal> _unreadable = [];
    private readonly LeftOut _leftOut = new();

    private SourceScanner()
    {
    }

    /// <summary>Scans <paramref name="paths"/>: absolute paths of files and folders.</summary>
    /// <exception cref="UsageException">A path does not exist, or names a file of a kind that cannot be ingested.</exception>
    public static SourceScan Scan(IEnumerable<string> paths)
    {
        var scanner = new SourceScanner();
        foreach (var path in paths)
        {
            if (Directory.Exists(path))
            {
                scanner.ScanRoot(new DirectoryInfo(Path.TrimEndingDirectorySeparator(path)));
            }
            else if (File.Exists(path))
            {
                scanner.AddGiven(new FileInfo(path));
            }
            else
            {
                throw new UsageException($"{path} does not exist.");
            }
        }

        return new SourceScan([.. scanner._roots.Values], scanner._files, scanner._leftOut, scanner._unreadable);
    }

    private void ScanRoot(DirectoryInfo folder)
    {
        var root = new SourceRoot(RealPath(folder.FullName), folder.Name, IsWhole: true);
        if (_roots.TryGetValue(root.Path, out var known) && known.IsWhole)
        {
            return;
        }

        _roots[root.Path] = root;
        var corpus = new FileInfo(Path.Combine(folder.FullName, CorpusFile));
        if (corpus.Exists)
        {
            AddFile(corpus, CorpusFile, root, SourceKind.Corpus);
        }

        _entered.Clear();
        ScanFolder(folder, folder.FullName, root);
    }

    private void AddGiven(FileInfo file)
    {
        var kind = file.Extension.Equals(".jsonl", StringComparison.OrdinalIgnoreCase) ? SourceKind.Corpus : KindOf(file);
        if (kind is null)
        {
            throw new UsageException($"{file.FullName} cannot be ingested: expected .md, .markdown, .txt, .html, .htm, or .jsonl in BEIR's form.");
        }

        // A corpus is all of its source; another file is one of its folder's, of which this run does not see the rest.
        var folder = RealPath(file.DirectoryName!);
        var isCorpus = kind is SourceKind.Corpus;
        var path = isCorpus ? Path.Combine(folder, file.Name) : folder;
        if (!_roots.TryGetValue(path, out var root))
        {
            root = new SourceRoot(path, file.Directory?.Name ?? "", isCorpus);
            _roots.Add(path, root);
        }

        AddFile(file, file.Name, root, kind.Value);
    }

    private void ScanFolder(DirectoryInfo folder, string top, SourceRoot root)
    {
        FileSystemInfo[] entries;
        try
        {
            if (!_entered.Add(RealPath(folder.FullName)))
            {
                return;
            }

            entries = folder.GetFileSystemInfos();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _unreadable.Add(new Refusal(folder.FullName, "the folder cannot be read"));
            return;
        }

        foreach (var entry in entries.OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            if (entry.Name.StartsWith('.'))
            {
                _leftOut.Hidden++;
            }
            else if (entry.Name.Contains(Unreadable) && !Path.Exists(entry.FullName))
            {
                _unreadable.Add(new Refusal(Below(top, entry), "its name is not UTF-8"));
            }

            // A link to a folder says that it is a file on some systems: ask for what it leads to.
            else if (Directory.Exists(entry.FullName))
            {
                if (s_skippedFolders.Contains(entry.Name))
                {
                    _leftOut.Folders++;
                }
                else
                {
                    ScanFolder(new DirectoryInfo(entry.FullName), top, root);
                }
            }
            else if (KindOf(entry) is { } kind)
            {
                AddFile(new FileInfo(entry.FullName), Below(top, entry), root, kind);
            }
            else if (entry.Name != CorpusFile || folder.FullName != top)
            {
                _leftOut.Add(entry);
            }
        }
    }

    private static string Below(string top, FileSystemInfo entry) =>
        Path.GetRelativePath(top, entry.FullName).Replace(Path.DirectorySeparatorChar, '/');

    private void AddFile(FileInfo file, string path, SourceRoot root, SourceKind kind)
    {
        if (Target(file) is not { Exists: true } target)
        {
            _unreadable.Add(new Refusal(path, "the link leads nowhere"));
        }
        else if (!FileNature.IsRegular(file.FullName))
        {
            _unreadable.Add(new Refusal(path, "it is no file but a pipe, a socket or a device"));
        }
        else if (_found.Add((root.Path, path)))
        {
            _files.Add(new SourceFile(file.FullName, path, root, kind, target.Length));
        }
    }

    // A link exists and has a length of its own, whatever it leads to.
    private static FileInfo? Target(FileInfo file)
    {
        try
        {
            return file.LinkTarget is null ? file : file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static SourceKind? KindOf(FileSystemInfo file) => file.Extension.ToLowerInvariant() switch
    {
        ".md" or ".markdown" => SourceKind.Markdown,
        ".txt" => SourceKind.Text,
        ".html" or ".htm" => SourceKind.Html,
        _ => null,
    };

    // The path without links in any of its parts, which .NET resolves for the last one only.
    private static string RealPath(string path)
    {
        for (var links = 0; links < MostLinks; links++)
        {
            var root = Path.GetPathRoot(path)!;
            var parts = path[root.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
            var real = root;
            var followed = false;
            for (var i = 0; i < parts.Length && !followed; i++)
            {
                real = Path.Combine(real, parts[i]);
                if (new DirectoryInfo(real).LinkTarget is { } target)
                {
                    path = Path.GetFullPath(Path.Combine([Path.GetDirectoryName(real)!, target, .. parts[(i + 1)..]]));
                    followed = true;
                }
            }

            if (!followed)
            {
                return real;
            }
        }

        throw new IOException("Too many levels of symbolic links.");
    }
}
