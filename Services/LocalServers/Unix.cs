using System.Runtime.InteropServices;

namespace RagPlatform.LocalServers;

/// <summary>A user of the machine.</summary>
/// <param name="Id">The user's number.</param>
/// <param name="GroupId">The number of the user's own group.</param>
internal readonly record struct UnixUser(uint Id, uint GroupId)
{
    /// <summary>The first of <paramref name="names"/> that the machine has, or null.</summary>
    public static UnixUser? Find(params ReadOnlySpan<string> names)
    {
        var entries = File.ReadAllLines("/etc/passwd");
        foreach (var name in names)
        {
            // name:password:uid:gid:...
            var fields = entries.FirstOrDefault(entry => entry.StartsWith(name + ":", StringComparison.Ordinal))?.Split(':');
            if (fields is { Length: > 3 } && uint.TryParse(fields[2], out var id) && uint.TryParse(fields[3], out var group))
            {
                return new UnixUser(id, group);
            }
        }

        return null;
    }
}

/// <summary>The few system calls that .NET has no method for.</summary>
internal static partial class Unix
{
    /// <summary>SIGINT.</summary>
    public const int Interrupt = 2;

    /// <summary>SIGQUIT.</summary>
    public const int Quit = 3;

    /// <summary>SIGKILL.</summary>
    public const int Kill = 9;

    /// <summary>SIGTERM.</summary>
    public const int Terminate = 15;

    /// <summary>Sends a signal; a process that is gone already is no error.</summary>
    public static void Send(int processId, int signal) => kill(processId, signal);

    /// <summary>Gives a file or folder to a user.</summary>
    /// <exception cref="IOException">The system refuses.</exception>
    public static void ChangeOwner(string path, UnixUser user)
    {
        if (chown(path, user.Id, user.GroupId) != 0)
        {
            throw new IOException($"Cannot give {path} to user {user.Id}: {Marshal.GetLastPInvokeErrorMessage()}.");
        }
    }

    /// <summary>The user and group that a file or folder belongs to.</summary>
    /// <exception cref="IOException">There is no such file, or it may not be looked at.</exception>
    public static unsafe UnixUser OwnerOf(string path)
    {
        // struct statx is the same on every architecture, struct stat is not: stx_uid is at byte 20, stx_gid at 24.
        const uint UserAndGroup = 0x18;
        var result = stackalloc uint[64];
        return statx(-100, path, 0, UserAndGroup, result) == 0
            ? new UnixUser(result[5], result[6])
            : throw new IOException($"Cannot look at {path}: {Marshal.GetLastPInvokeErrorMessage()}.");
    }

    /// <summary>The number of the user that this process runs as.</summary>
    public static uint CurrentUserId => geteuid();

    /// <summary>The path without symbolic links, as the system itself names the file.</summary>
    public static string RealPath(string path)
    {
        var resolved = realpath(path, 0);
        if (resolved == 0)
        {
            throw new IOException($"Cannot resolve {path}: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        try
        {
            return Marshal.PtrToStringUTF8(resolved)!;
        }
        finally
        {
            free(resolved);
        }
    }

    [LibraryImport("libc")]
    private static partial int kill(int processId, int signal);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, uint owner, uint group);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int statx(int folder, string path, int flags, uint mask, uint* result);

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint realpath(string path, nint buffer);

    [LibraryImport("libc")]
    private static partial void free(nint memory);
}
