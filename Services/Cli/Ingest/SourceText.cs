using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.RegularExpressions;

namespace RagPlatform.Cli.Ingest;

/// <summary>
/// The characters of a file: by its byte order mark (UTF-8, UTF-16, UTF-32), else for HTML by the encoding that it declares, else UTF-8.
/// Bytes that are no text in that encoding are never replaced: the file is refused.
/// </summary>
internal static partial class SourceText
{
    // Where HTML must have declared its encoding (WHATWG, "prescan a byte stream").
    private const int DeclarationLength = 1024;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // UTF-32's mark in little-endian order begins with UTF-16's.
    private static readonly Encoding[] s_marked =
    [
        s_utf8, new UTF32Encoding(bigEndian: false, byteOrderMark: true, throwOnInvalidCharacters: true),
        new UTF32Encoding(bigEndian: true, byteOrderMark: true, throwOnInvalidCharacters: true),
        new UnicodeEncoding(bigEndian: false, byteOrderMark: true, throwOnInvalidBytes: true),
        new UnicodeEncoding(bigEndian: true, byteOrderMark: true, throwOnInvalidBytes: true),
    ];

    static SourceText() => Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);

    /// <summary>Reads the characters.</summary>
    /// <param name="content">The file.</param>
    /// <param name="kind">What it is.</param>
    /// <param name="text">Its characters, without a byte order mark.</param>
    /// <param name="reason">Why there are none, as a clause.</param>
    public static bool TryDecode(ReadOnlySpan<byte> content, SourceKind kind, [NotNullWhen(true)] out string? text, [NotNullWhen(false)] out string? reason)
    {
        text = reason = null;
        var (encoding, start) = Marked(content);
        var declared = encoding is null && kind is SourceKind.Html ? Declared(content) : null;
        if (declared is not null && (encoding = Find(declared)) is null)
        {
            reason = $"it declares the encoding '{declared}', which is not known";
            return false;
        }

        try
        {
            text = (encoding ?? s_utf8).GetString(content[start..]);
            return true;
        }
        catch (DecoderFallbackException)
        {
            reason = encoding is null ? "it is not UTF-8" + (kind is SourceKind.Html ? ", and declares no encoding" : "")
                : declared is null ? $"it is not {encoding.WebName.ToUpperInvariant()}, although its byte order mark says so"
                : $"it is not in {declared}, the encoding that it declares";
            return false;
        }
    }

    private static (Encoding? Encoding, int Start) Marked(ReadOnlySpan<byte> content)
    {
        foreach (var encoding in s_marked)
        {
            var mark = encoding == s_utf8 ? Encoding.UTF8.Preamble : encoding.Preamble;
            if (content.StartsWith(mark))
            {
                return (encoding, mark.Length);
            }
        }

        return default;
    }

    private static string? Declared(ReadOnlySpan<byte> content)
    {
        var head = Encoding.Latin1.GetString(content[..Math.Min(content.Length, DeclarationLength)]);
        var match = Comment().Replace(head, "") is var bare && XmlDeclaration().Match(bare) is { Success: true } xml ? xml : MetaDeclaration().Match(bare);
        return match.Success ? match.Groups["name"].Value : null;
    }

    // By the labels of the WHATWG's Encoding Standard where they differ from .NET's: Latin 1 and ASCII are Windows' code page, and what
    // is declared in ASCII bytes is not UTF-16.
    private static Encoding? Find(string label)
    {
        var name = label.ToLowerInvariant() switch
        {
            "iso-8859-1" or "iso8859-1" or "iso88591" or "latin1" or "latin-1" or "l1" or "ascii" or "us-ascii" or "cp1252" or "x-cp1252" => "windows-1252",
            "iso-8859-9" or "latin5" => "windows-1254",
            "utf8" or "utf-16" or "utf-16le" or "utf-16be" or "unicode" => "utf-8",
            "gbk" or "gb2312" or "x-gbk" or "chinese" => "gb18030",
            "sjis" or "x-sjis" or "ms_kanji" or "windows-31j" => "shift_jis",
            "ks_c_5601-1987" or "korean" or "windows-949" => "euc-kr",
            var other => other,
        };
        try
        {
            return Encoding.GetEncoding(name, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    [GeneratedRegex("<!--.*?-->", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex("""^\s*<\?xml\s[^>]*?encoding\s*=\s*["'](?<name>[A-Za-z0-9._:-]+)["']""", RegexOptions.IgnoreCase)]
    private static partial Regex XmlDeclaration();

    [GeneratedRegex("""<meta\s[^>]*?charset\s*=\s*["']?\s*(?<name>[A-Za-z0-9._:-]+)""", RegexOptions.IgnoreCase)]
    private static partial Regex MetaDeclaration();
}
