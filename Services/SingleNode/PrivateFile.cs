using System.Security.Cryptography;

namespace RagPlatform.SingleNode;

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

    /// <summary>The secret in a file, which is made with a random one of 256 bits when it does not exist.</summary>
    /// <param name="path">The file.</param>
    /// <param name="prefix">How a new secret begins, so that people and scanners recognise it.</param>
    public static string ReadOrCreateSecret(string path, string prefix = "")
    {
        if (File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } existing)
        {
            return existing;
        }

        var secret = prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        Write(path, secret + "\n");
        return secret;
    }
}
