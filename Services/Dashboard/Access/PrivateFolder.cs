namespace RagPlatform.Dashboard.Access;

/// <summary>Folders that only the dashboard's own user may look into.</summary>
internal static class PrivateFolder
{
    /// <summary>Makes one where there is none.</summary>
    public static DirectoryInfo Create(string path) => OperatingSystem.IsWindows()
        ? Directory.CreateDirectory(path)
        : Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
}
