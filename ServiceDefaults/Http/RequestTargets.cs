using System.Text;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>
/// The rule for the raw target of a request: it names exactly one thing, whoever reads it. Kestrel decodes a path once, leaves <c>%2F</c> and what is
/// no UTF-8 as they are, and takes dot segments out: after that <c>documents/..</c> is another address, and <c>%252F</c> is <c>%2F</c>.
/// </summary>
internal static class RequestTargets
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>What is wrong with a target, by <c>path</c> or by the name of the parameter; null when nothing is.</summary>
    /// <param name="target">The target as it was sent; what is behind its '?' is left out.</param>
    /// <param name="query">The query as it was sent, with its '?'.</param>
    public static (string Field, string Message)? Check(string target, string query)
    {
        var end = target.IndexOf('?', StringComparison.Ordinal);
        return CheckPath(PathOf(end < 0 ? target : target[..end])) is { } wrong ? ("path", wrong) : CheckQuery(query.TrimStart('?'));
    }

    private static string? CheckPath(string path)
    {
        // Neither an escape nor a dot: nothing of what follows can be.
        if (path.AsSpan().IndexOfAny('%', '.', '\\') < 0)
        {
            return null;
        }

        if (path.Contains('\\', StringComparison.Ordinal))
        {
            return "A path has no '\\' as it is: some take it for '/'. Write it as %5C.";
        }

        if (Decode(path, lenient: false) is not { } decoded)
        {
            return "The path is not valid UTF-8, percent-encoded.";
        }

        if (decoded.Contains('\0', StringComparison.Ordinal))
        {
            return "The path must not contain NUL characters (%00).";
        }

        if (decoded.Contains("%2F", StringComparison.OrdinalIgnoreCase))
        {
            return "The path must not stand for the text '%2F' (as '%252F' does): it could not be told from '/'. A slash is written as '/' or '%2F'.";
        }

        foreach (var segment in decoded.AsSpan().Split('/'))
        {
            if (decoded.AsSpan(segment) is "." or "..")
            {
                return "The path must not contain '.' or '..' between slashes, however they are written: it would be another path.";
            }
        }

        return null;
    }

    private static (string Field, string Message)? CheckQuery(string query)
    {
        if (!query.Contains('%', StringComparison.Ordinal))
        {
            return null;
        }

        foreach (var range in query.AsSpan().Split('&'))
        {
            var parameter = query[range];
            var wrong = Decode(parameter, lenient: true) switch
            {
                null => "It is not valid UTF-8, percent-encoded.",
                var text when text.Contains('\0', StringComparison.Ordinal) => "It must not contain NUL characters (%00).",
                _ => null,
            };
            if (wrong is not null)
            {
                return (parameter.Split('=')[0], wrong);
            }
        }

        return null;
    }

    // "http://host/path" is a target as well.
    private static string PathOf(string target)
    {
        if (target is ['/', ..] or "" || target.IndexOf("://", StringComparison.Ordinal) is not (> 0 and var scheme))
        {
            return target;
        }

        var slash = target.IndexOf('/', scheme + 3);
        return slash < 0 ? "" : target[slash..];
    }

    /// <summary>The text that stands percent-encoded; null when its bytes are no UTF-8, or, unless it is lenient, when a '%' begins no escape.</summary>
    private static string? Decode(string encoded, bool lenient)
    {
        var source = Encoding.UTF8.GetBytes(encoded);
        var bytes = new byte[source.Length];
        var length = 0;
        for (var i = 0; i < source.Length; i++)
        {
            if (source[i] == '%')
            {
                if (i + 2 < source.Length && char.IsAsciiHexDigit((char)source[i + 1]) && char.IsAsciiHexDigit((char)source[i + 2]))
                {
                    bytes[length++] = Convert.ToByte(Encoding.ASCII.GetString(source, i + 1, 2), 16);
                    i += 2;
                    continue;
                }

                if (!lenient)
                {
                    return null;
                }
            }

            bytes[length++] = source[i];
        }

        try
        {
            return s_strict.GetString(bytes, 0, length);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
