namespace RagPlatform.Cli.Ingest;

/// <summary>What a scan passed by, counted, so that nothing is left out without a word.</summary>
internal sealed class LeftOut
{
    private const int MostExtensions = 4;

    private readonly SortedDictionary<string, int> _kinds = new(StringComparer.Ordinal);

    /// <summary>Files of kinds that cannot be ingested.</summary>
    public int Files => _kinds.Values.Sum();

    /// <summary>Hidden files and folders.</summary>
    public int Hidden { get; set; }

    /// <summary>Folders of build output and packages: <c>bin</c>, <c>obj</c>, <c>node_modules</c>.</summary>
    public int Folders { get; set; }

    /// <summary>Counts a file.</summary>
    public void Add(FileSystemInfo file)
    {
        var extension = file.Extension.Length > 0 ? file.Extension.ToLowerInvariant() : "without extension";
        _kinds[extension] = _kinds.GetValueOrDefault(extension) + 1;
    }

    /// <summary>"3 files of other kinds (2 .png, 1 .pdf), 1 hidden entry, 1 folder of build output"; empty when there is nothing.</summary>
    public override string ToString()
    {
        var parts = new List<string>();
        if (Files > 0)
        {
            var most = _kinds.OrderByDescending(kind => kind.Value).Take(MostExtensions).Select(kind => FormattableString.Invariant($"{kind.Value:N0} {kind.Key}"));
            parts.Add($"{Quantity.Of(Files, "file")} of other kinds ({string.Join(", ", most)}{(_kinds.Count > MostExtensions ? ", …" : "")})");
        }

        if (Hidden > 0)
        {
            parts.Add(Hidden == 1 ? "1 hidden entry" : FormattableString.Invariant($"{Hidden:N0} hidden entries"));
        }

        if (Folders > 0)
        {
            parts.Add($"{Quantity.Of(Folders, "folder")} of build output");
        }

        return string.Join(", ", parts);
    }
}
