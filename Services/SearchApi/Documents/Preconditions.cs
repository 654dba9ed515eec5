using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using RagPlatform.SearchApi.Problems;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Documents;

/// <summary>Conditional requests (RFC 9110, section 13): a document's ETag is its revision.</summary>
internal static class Preconditions
{
    private const int MaxTags = 100;
    private const long NoRevision = -1;

    /// <summary>The ETag of a revision.</summary>
    public static string ETag(long revision) => string.Create(CultureInfo.InvariantCulture, $"\"{revision}\"");

    /// <summary>Reads what a write demands of the stored document.</summary>
    /// <param name="headers">
    /// <c>If-Match</c> with <c>*</c> or ETags, of which one must be its own (a weak one never is); <c>If-None-Match: *</c> for a document that must be new.
    /// </param>
    /// <param name="condition">What it must be; null for anything.</param>
    /// <returns>False when a header is there and has another form.</returns>
    public static bool TryRead(IHeaderDictionary headers, out DocumentCondition? condition)
    {
        condition = null;
        var (match, noneMatch) = (headers.IfMatch.ToString().Trim(), headers.IfNoneMatch.ToString().Trim());
        if (noneMatch.Length > 0)
        {
            condition = DocumentCondition.Absent;
            return noneMatch == "*" && match.Length == 0;
        }

        if (match.Length == 0)
        {
            return true;
        }

        if (match == "*")
        {
            condition = DocumentCondition.Present;
            return true;
        }

        if (!EntityTagHeaderValue.TryParseStrictList(headers.IfMatch, out var tags) || tags.Count > MaxTags || tags.Any(tag => tag.Tag == "*"))
        {
            return false;
        }

        // One that is none of ours is no document's.
        condition = DocumentCondition.OneOf([.. tags.Select(tag => !tag.IsWeak && ReadRevision(tag.Tag) is { } revision ? revision : NoRevision)]);
        return true;
    }

    /// <summary>Whether the caller of a read has the newest revision already.</summary>
    public static bool HasCurrent(IHeaderDictionary headers, long revision) =>
        headers.GetCommaSeparatedValues("If-None-Match") is { Length: > 0 } tags
        && tags.Any(tag => tag == "*" || tag.Replace("W/", "", StringComparison.Ordinal).Trim('"') == ETag(revision).Trim('"'));

    /// <summary>400: a header of another form.</summary>
    public static ValidationProblem Invalid() =>
        ApiProblems.Invalid(
            "If-Match", $"Expected 'If-Match: \"REVISION\"' with the ETag of the document, at most {MaxTags} of them, or '*'; on a put also 'If-None-Match: *'.");

    /// <summary>412: the document is not as the caller demands.</summary>
    public static ProblemHttpResult Failed() => TypedResults.Problem(
        statusCode: StatusCodes.Status412PreconditionFailed,
        title: "The document is not as demanded.",
        detail: "Somebody else has written or deleted it meanwhile, or it is there already. Nothing was written.");

    private static long? ReadRevision(StringSegment tag) =>
        long.TryParse(tag.AsSpan().Trim('"'), NumberStyles.None, CultureInfo.InvariantCulture, out var revision) ? revision : null;
}
