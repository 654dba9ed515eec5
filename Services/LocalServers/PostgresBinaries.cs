namespace RagPlatform.LocalServers;

/// <summary>An installed PostgreSQL server.</summary>
/// <param name="Major">Its major version.</param>
/// <param name="Folder">The folder of its programs.</param>
/// <param name="HasVector">Is the extension pgvector installed for it?</param>
internal sealed record PostgresBinaries(int Major, string Folder, bool HasVector)
{
    /// <summary>The oldest major version that the platform runs on.</summary>
    public const int OldestMajor = 15;

    // Where Debian and Ubuntu, and the project's own packages for Red Hat, put a version's programs and its extensions.
    private static readonly (string Programs, string Extensions)[] s_layouts =
    [
        ("/usr/lib/postgresql/{0}/bin", "/usr/share/postgresql/{0}/extension"),
        ("/usr/pgsql-{0}/bin", "/usr/pgsql-{0}/share/extension"),
    ];

    /// <summary>Every installed version, newest first.</summary>
    public static IReadOnlyList<PostgresBinaries> FindAll() =>
    [
        .. from major in Enumerable.Range(9, 91).Reverse()
           from layout in s_layouts
           let programs = string.Format(null, layout.Programs, major)
           where File.Exists(programs + "/postgres")
           select new PostgresBinaries(major, programs, File.Exists(string.Format(null, layout.Extensions, major) + "/vector.control")),
    ];

    /// <summary>The version to run a data folder with.</summary>
    /// <param name="installed">What is installed, newest first.</param>
    /// <param name="dataMajor">The version that wrote the data; null for a new folder.</param>
    /// <param name="folder">The data folder, for the message.</param>
    /// <exception cref="LocalServerException">No installed version fits; the message says which one would.</exception>
    public static PostgresBinaries Choose(IReadOnlyList<PostgresBinaries> installed, int? dataMajor, string folder)
    {
        var usable = installed.Where(version => version.HasVector && version.Major >= OldestMajor).ToList();
        if (dataMajor is not { } major)
        {
            return usable.FirstOrDefault() ?? throw new LocalServerException(
                LocalServerFault.ServerMissing,
                $"PostgreSQL {OldestMajor} or newer with pgvector is not installed: run eng/install-backends.sh, "
                + "or name a server that exists with RAG_POSTGRES.");
        }

        return usable.FirstOrDefault(version => version.Major == major) ?? throw new LocalServerException(
            LocalServerFault.DataFolder,
            $"{folder} was written by PostgreSQL {major}, and here is {Describe(usable)}: install postgresql-{major} with pgvector, "
            + "or choose another data folder (--data).");
    }

    private static string Describe(List<PostgresBinaries> usable) =>
        usable.Count == 0 ? "none with pgvector" : string.Join(", ", usable.Select(version => $"PostgreSQL {version.Major}"));
}
