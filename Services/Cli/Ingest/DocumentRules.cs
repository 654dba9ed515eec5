using System.Text;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary>What the API would refuse anyway, found before it is sent. The API has the last word: see <see cref="BatchSender"/>.</summary>
internal static class DocumentRules
{
    /// <summary>Why a document cannot go in; null when it can.</summary>
    public static string? Check(SourceDocument document)
    {
        if (CheckId(document.Id) is { } reason)
        {
            return reason;
        }

        if (document.Text.Length > DocumentLimits.MaxTextLength)
        {
            return $"its text has {document.Text.Length:N0} characters, at most {DocumentLimits.MaxTextLength:N0} are allowed";
        }

        if (document.Title.Length > DocumentLimits.MaxTitleLength)
        {
            return $"its title has {document.Title.Length:N0} characters, at most {DocumentLimits.MaxTitleLength:N0} are allowed";
        }

        if (document.Text.Contains('\0') || document.Title.Contains('\0'))
        {
            return "it contains the character NUL, so it is hardly text";
        }

        return Encoding.UTF8.GetByteCount(document.Metadata.GetRawText()) > DocumentLimits.MaxMetadataBytes
            ? $"its metadata is larger than {DocumentLimits.MaxMetadataBytes / 1024} KiB"
            : null;
    }

    private static string? CheckId(string id)
    {
        if (id.Length == 0)
        {
            return "its id is empty";
        }

        if (id.Length > DocumentLimits.MaxIdLength)
        {
            return $"its id has {id.Length:N0} characters, at most {DocumentLimits.MaxIdLength} are allowed";
        }

        if (id.Any(char.IsControl))
        {
            return "its id contains a control character";
        }

        if (id.Contains("%2F", StringComparison.OrdinalIgnoreCase))
        {
            return "its id contains \"%2F\"";
        }

        return id.Split('/').Any(part => part is "." or "..") ? "its id contains \".\" or \"..\" between slashes" : null;
    }
}
