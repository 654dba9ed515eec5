namespace RagPlatform.Cli.Ingest;

/// <summary>What a scan found.</summary>
/// <param name="Files">Files to be ingested, by path.</param>
/// <param name="Ignored">How many other files there were.</param>
/// <param name="Unreadable">Folders and links that could not be followed.</param>
internal sealed record SourceScan(IReadOnlyList<SourceFile> Files, int Ignored, IReadOnlyList<Refusal> Unreadable);

/// <summary>
/// Finds what can be ingested below files and folders. Hidden entries and build output (<c>bin</c>, <c>obj</c>, <c>node_modules</c>) are left
/// out. Links are followed, but no folder is entered twice, so a loop of links ends.
/// </summary>
internal sealed class SourceScanner
{
    /// <summary>The name of a BEIR collection's documents.</summary>
    public const string CorpusFile = "corpus.jsonl";

    private const int MostLinks = 40;

    private static readonly HashSet<string> s_skippedFolders = new(StringComparer.OrdinalIgnoreCase) { "bin", "obj", "node_modules" };

    private readonly HashSet<string> _entered = new(StringComparer.Ordinal);
    private readonly List<SourceFile> _files = [];
    private readonly List<Refusal> _unreadable = [];
    private int _ignored;

    private SourceScanner()
    {
    }

    /// <summary>Scans <paramref name="paths"/>: absolute paths of files and folders.</summary>
    /// <exception cref="CliException">A path does not exist, or names a file of a kind that cannot be ingested.</exception>
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
                scanner.AddFile(new FileInfo(path));
            }
            else
            {
                throw new CliException($"{path} does not exist.");
            }
        }

        return new SourceScan(scanner._files, scanner._ignored, scanner._unreadable);
    }

    private void ScanRoot(DirectoryInfo root)
    {
        var corpus = new FileInfo(Path.Combine(root.FullName, CorpusFile));
        if (corpus.Exists)
        {
            _files.Add(new SourceFile(corpus.FullName, CorpusFile, root.Name, SourceKind.Corpus, corpus.Length));
        }

        ScanFolder(root, root.FullName, root.Name);
    }

    private void AddFile(FileInfo file)
    {
        var kind = file.Extension.Equals(".jsonl", StringComparison.OrdinalIgnoreCase) ? SourceKind.Corpus : KindOf(file);
        if (kind is null)
        {
            throw new CliException($"{file.FullName} cannot be ingested: expected .md, .markdown, .txt, .html, .htm, or .jsonl in BEIR's form.");
        }

        _files.Add(new SourceFile(file.FullName, file.Name, file.Directory?.Name ?? "", kind.Value, Target(file)?.Length ?? 0));
    }

    private void ScanFolder(DirectoryInfo folder, string root, string source)
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
                continue;
            }

            // A link to a folder says that it is a file on some systems: ask for what it leads to.
            if (Directory.Exists(entry.FullName))
            {
                if (!s_skippedFolders.Contains(entry.Name))
                {
                    ScanFolder(new DirectoryInfo(entry.FullName), root, source);
                }
            }
            else if (KindOf(entry) is { } kind)
            {
                AddFile(new FileInfo(entry.FullName), root, source, kind);
            }
            else if (entry.Name != CorpusFile || folder.FullName != root)
            {
                _ignored++;
            }
        }
    }

    private void AddFile(FileInfo file, string root, string source, SourceKind kind)
    {
        var path = Path.GetRelativePath(root, file.FullName).Replace(Path.DirectorySeparatorChar, '/');
        if (Target(file) is { Exists: true } target)
        {
            _files.Add(new SourceFile(file.FullName, path, source, kind, target.Length));
        }
        else
        {
            _unreadable.Add(new Refusal(path, "the link leads nowhere"));
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
