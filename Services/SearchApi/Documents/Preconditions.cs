using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.SearchApi.Problems;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>Conditional requests (RFC 9110, section 13): a document's ETag is its revision.</summary>
internal static class Preconditions
{
    /// <summary>The ETag of a revision.</summary>
    public static string ETag(long revision) => string.Create(CultureInfo.InvariantCulture, $"\"{revision}\"");

    /// <summary>Reads what a write demands of the stored document.</summary>
    /// <param name="headers"><c>If-Match: "REVISION"</c>, or <c>If-None-Match: *</c> for a document that must be new.</param>
    /// <param name="expected">The revision that it must have, <see cref="DocumentStore.Absent"/>, or null for anything.</param>
    /// <returns>False when a header is there and has another form.</returns>
    public static bool TryRead(IHeaderDictionary headers, out long? expected)
    {
        expected = null;
        var (match, noneMatch) = (headers.IfMatch.ToString(), headers.IfNoneMatch.ToString());
        if (noneMatch.Length > 0)
        {
            expected = DocumentStore.Absent;
            return noneMatch == "*" && match.Length == 0;
        }

        if (match.Length == 0)
        {
            return true;
        }

        if (match.Length > 2 && match[0] == '"' && match[^1] == '"'
            && long.TryParse(match.AsSpan(1, match.Length - 2), NumberStyles.None, CultureInfo.InvariantCulture, out var revision))
        {
            expected = revision;
            return true;
        }

        return false;
    }

    /// <summary>Whether the caller of a read has the newest revision already.</summary>
    public static bool HasCurrent(IHeaderDictionary headers, long revision) =>
        headers.GetCommaSeparatedValues("If-None-Match") is { Length: > 0 } tags
        && tags.Any(tag => tag == "*" || tag.Replace("W/", "", StringComparison.Ordinal).Trim('"') == ETag(revision).Trim('"'));

    /// <summary>400: a header of another form.</summary>
    public static ValidationProblem Invalid() =>
        ApiProblems.Invalid("If-Match", "Expected 'If-Match: \"REVISION\"' with the ETag of the document, or 'If-None-Match: *'.");

    /// <summary>412: the document is not as the caller demands.</summary>
    public static ProblemHttpResult Failed() => TypedResults.Problem(
        statusCode: StatusCodes.Status412PreconditionFailed,
        title: "The document is not as demanded.",
        detail: "Somebody else has written or deleted it meanwhile, or it is there already. Nothing was written.");
}
