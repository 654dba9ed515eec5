using System.Security.Cryptography;

namespace RagPlatform.LocalServers;

/// <summary>Files that only their owner may read.</summary>
internal static class PrivateFile
{
    /// <summary>Writes a file; one that exists is replaced.</summary>
    public static void Write(string path, string text)
    {
        File.Delete(path);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var writer = new StreamWriter(path, options);
        writer.Write(text);
    }

    /// <summary>
    /// The secret in a file, which is made with a random one of 256 bits when it does not exist. Two processes that make it at once get
    /// the same.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="prefix">How a new secret begins, so that people and scanners recognise it.</param>
    public static string ReadOrCreateSecret(string path, string prefix = "")
    {
        if (Read(path) is { } existing)
        {
            return existing;
        }

        // Complete before it gets its name, so that nobody reads half of it.
        var unfinished = $"{path}.{Environment.ProcessId}.new";
        Write(unfinished, prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)) + "\n");
        try
        {
            File.Move(unfinished, path);
        }
        catch (IOException) when (Read(path) is not null)
        {
            File.Delete(unfinished);
        }
        catch (IOException) when (File.Exists(path))
        {
            // An empty one is no secret.
            File.Move(unfinished, path, overwrite: true);
        }

        return Read(path) ?? throw new IOException($"{path} is empty.");
    }

    private static string? Read(string path) =>
        File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } secret ? secret : null;
}
