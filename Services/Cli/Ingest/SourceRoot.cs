using System.Security.Cryptography;
using System.Text;

namespace RagPlatform.Cli.Ingest;

/// <summary>Where documents come from: a folder or a file that was given to <c>rag ingest</c>.</summary>
/// <param name="Path">The folder, or the corpus file, without links in any part; of another file its folder.</param>
/// <param name="Name">The folder's own name: what <c>metadata.source</c> says.</param>
/// <param name="IsWhole">Whether the run sees all that the source has; not so for a file out of a folder.</param>
internal sealed record SourceRoot(string Path, string Name, bool IsWhole);

/// <summary>
/// What tells sources apart, kept with each document as <c>metadata._source</c>: two folders of the same name are two sources, and so is the
/// same folder under another prefix, or on another machine. <c>--source</c> names one that is the same wherever it is read.
/// </summary>
/// <param name="name">What <c>--source</c> says; null for the place.</param>
/// <param name="prefix">What stands before each id.</param>
/// <param name="machine">This machine's name.</param>
internal sealed class SourceIdentity(string? name, string prefix, string machine)
{
    /// <summary>The member of a document's metadata that has the identity.</summary>
    public const string Member = "_source";

    /// <summary>The identity of <paramref name="root"/>.</summary>
    public string Of(SourceRoot root)
    {
        if (name is not null)
        {
            return prefix.Length == 0 ? name : $"{name} {prefix}";
        }

        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{machine}\n{root.Path}\n{prefix}"));
        return $"{root.Name}-{Convert.ToHexStringLower(hash, 0, 6)}";
    }
}
