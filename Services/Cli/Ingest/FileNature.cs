using System.Runtime.InteropServices;

namespace RagPlatform.Cli.Ingest;

/// <summary>Tells files from what only has a name in a folder: pipes, sockets, devices. Opening one of those may wait for ever.</summary>
internal static class FileNature
{
    // statx(2): the same layout on every architecture of Linux. The mode is a 16-bit number at byte 28, its type the mask 0xF000.
    private const int CurrentFolder = -100;
    private const uint TypeWanted = 1;
    private const int StatxSize = 256;
    private const int ModeOffset = 28;
    private const int TypeMask = 0xF000;
    private const int RegularFile = 0x8000;

    /// <summary>Whether a path leads to a regular file; links are followed.</summary>
    public static bool IsRegular(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            // Pipes and devices have no length elsewhere either; an empty file has nothing to read.
            return new FileInfo(path) is { Exists: true } file && (file.Length > 0 || !OperatingSystem.IsMacOS());
        }

        var status = new byte[StatxSize];
        return Statx(CurrentFolder, path, 0, TypeWanted, status) == 0
            && (BitConverter.ToUInt16(status, ModeOffset) & TypeMask) == RegularFile;
    }

    [DllImport("libc", EntryPoint = "statx", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int folder, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, byte[] status);
}
