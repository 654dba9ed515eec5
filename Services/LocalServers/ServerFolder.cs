namespace RagPlatform.LocalServers;

/// <summary>What PostgreSQL and Valkey have in common when they are started.</summary>
internal static class ServerFolder
{
    /// <summary>Refuses where processes cannot be handled as here.</summary>
    /// <exception cref="LocalServerException">The system is not Linux.</exception>
    public static void RequireLinux(string server, string variable)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new LocalServerException(
                LocalServerFault.ServerMissing, $"{server} is started on Linux only; here name a server that exists with {variable}.");
        }
    }

    /// <summary>Makes the server's folder; when the host is root, for a user without rights.</summary>
    /// <param name="folder">The folder. One that exists keeps its owner.</param>
    /// <param name="users">The users to take, in order of preference.</param>
    /// <returns>The user to run the server as; null when the host is not root.</returns>
    /// <exception cref="LocalServerException">The folder is somebody else's, or there is no such user.</exception>
    public static UnixUser? Prepare(string folder, params ReadOnlySpan<string> users)
    {
        Directory.CreateDirectory(folder);
        var owner = Unix.OwnerOf(folder);
        if (!Environment.IsPrivilegedProcess)
        {
            return owner.Id == Unix.CurrentUserId ? null : throw new LocalServerException(
                LocalServerFault.DataFolder,
                $"{folder} belongs to another user (it was made by root?): start as that user, or choose another data folder (--data).");
        }

        // A folder that somebody made without being root stays theirs.
        if (owner.Id == 0)
        {
            owner = UnixUser.Find(users) ?? throw new LocalServerException(
                LocalServerFault.Failed, $"Servers do not run as root, and there is no user {string.Join(" or ", users.ToArray())} here.");
            Unix.ChangeOwner(folder, owner);
        }

        return owner;
    }
}
