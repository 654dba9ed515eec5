using System.Buffers.Text;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;

namespace RagPlatform.SearchApi.Problems;

/// <summary>
/// Cursors of lists: the last key of a page, in base64url. Opaque to callers. A page goes on behind that key, so what is written meanwhile neither
/// repeats nor hides anything else.
/// </summary>
internal static class Cursor
{
    // Longer than the longest key in UTF-8: 512 characters of 3 bytes.
    private const int MaxLength = 2_100;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a cursor; none means the beginning.</summary>
    /// <returns>False when it is none of ours.</returns>
    public static bool TryDecode(string? cursor, out string key)
    {
        key = "";
        if (cursor is null)
        {
            return true;
        }

        if (cursor.Length is 0 or > MaxLength || !Base64Url.IsValid(cursor))
        {
            return false;
        }

        try
        {
            key = s_utf8.GetString(Base64Url.DecodeFromChars(cursor));
            return key.Length > 0 && !key.Contains('\0', StringComparison.Ordinal);
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            return false;
        }
    }

    /// <summary>The cursor behind a key.</summary>
    public static string Encode(string key) => Base64Url.EncodeToString(s_utf8.GetBytes(key));

    /// <summary>400: the cursor is none of ours.</summary>
    public static ValidationProblem Invalid() =>
        ApiProblems.Invalid("cursor", "It is none that this list has given: pass the nextCursor of a page, or leave it out.");

    /// <summary>A page of rows, of which one more than <paramref name="limit"/> was read if there is one.</summary>
    public static Page<T> Page<TRow, T>(IReadOnlyList<TRow> rows, int limit, Func<TRow, string> key, Func<TRow, T> map) =>
        new([.. rows.Take(limit).Select(map)], rows.Count > limit ? Encode(key(rows[limit - 1])) : null);
}
