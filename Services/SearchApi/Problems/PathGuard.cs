using System.Text;
using Microsoft.AspNetCore.Http.Features;

namespace RagPlatform.SearchApi.Problems;

/// <summary>
/// Refuses a path whose percent-encoding is no valid UTF-8. Kestrel leaves such sequences undecoded, so that <c>%FF</c> would silently become an id
/// of three characters.
/// </summary>
internal sealed class PathGuard(RequestDelegate next)
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public Task InvokeAsync(HttpContext context)
    {
        var target = context.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        var query = target.IndexOf('?', StringComparison.Ordinal);
        return IsValid(query < 0 ? target : target[..query])
            ? next(context)
            : ApiProblems.WriteAsync(context, new HttpValidationProblemDetails(new Dictionary<string, string[]>
            {
                ["path"] = ["The path is not valid UTF-8, percent-encoded."],
            })
            {
                Status = StatusCodes.Status400BadRequest,
            });
    }

    /// <summary>Whether every '%' begins two hexadecimal digits, and the bytes together are UTF-8.</summary>
    internal static bool IsValid(string path)
    {
        if (!path.Contains('%', StringComparison.Ordinal))
        {
            return true;
        }

        var bytes = new byte[path.Length];
        var length = 0;
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] != '%')
            {
                bytes[length++] = (byte)path[i];
            }
            else if (i + 2 < path.Length && char.IsAsciiHexDigit(path[i + 1]) && char.IsAsciiHexDigit(path[i + 2]))
            {
                bytes[length++] = Convert.ToByte(path.Substring(i + 1, 2), 16);
                i += 2;
            }
            else
            {
                return false;
            }
        }

        try
        {
            s_strict.GetCharCount(bytes, 0, length);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }
}
