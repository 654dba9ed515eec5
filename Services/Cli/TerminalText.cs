using System.Text;

namespace RagPlatform.Cli;

/// <summary>Text of documents as a terminal may see it: what would steer the terminal is shown, not sent.</summary>
internal static class TerminalText
{
    /// <summary>
    /// The text with control characters replaced by their pictures (<c>␛</c> for ESC), those beyond ASCII and the ones that turn the writing
    /// direction by <c>�</c>. Line breaks and tabs stay; a carriage return alone does not, for it would overwrite its line.
    /// </summary>
    public static string Clean(string text) => Replace(text, keepsBreaks: true);

    /// <summary>The same on one line: line breaks and tabs are shown as well.</summary>
    public static string Plain(string text) => Replace(text, keepsBreaks: false);

    /// <summary>JSON in which what steers a terminal is escaped, so that nothing of it is lost.</summary>
    public static string Json(string json) => Replace(json, keepsBreaks: true, c => $"\\u{(int)c:x4}");

    /// <summary>What stands for <paramref name="c"/>; the same when it is harmless.</summary>
    public static char Clean(char c) => IsUnsafe(c, keepsBreaks: true) ? Picture(c) : c;

    private static string Replace(string text, bool keepsBreaks, Func<char, string>? replacement = null)
    {
        if (!text.Any(c => IsUnsafe(c, keepsBreaks)))
        {
            return text;
        }

        var clean = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            if (!IsUnsafe(c, keepsBreaks))
            {
                clean.Append(c);
            }
            else if (replacement is null)
            {
                clean.Append(Picture(c));
            }
            else
            {
                clean.Append(replacement(c));
            }
        }

        return clean.ToString();
    }

    private static char Picture(char c) => c < ' ' ? (char)('\u2400' + c) : c == '\u007F' ? '\u2421' : '\uFFFD';

    // Cc, and the embeddings, overrides and isolates of bidirectional text (U+202A to U+202E, U+2066 to U+2069).
    private static bool IsUnsafe(char c, bool keepsBreaks) =>
        (char.IsControl(c) && !(keepsBreaks && (c is '\n' or '\t' || (c == '\r' && OperatingSystem.IsWindows()))))
        || c is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');
}

/// <summary>Writes to <paramref name="inner"/> what a terminal may see; see <see cref="TerminalText"/>.</summary>
/// <param name="inner">Where it goes.</param>
internal sealed class TerminalWriter(TextWriter inner) : TextWriter(inner.FormatProvider)
{
    /// <inheritdoc />
    public override Encoding Encoding => inner.Encoding;

    /// <inheritdoc />
    [System.Diagnostics.CodeAnalysis.AllowNull]
    public override string NewLine
    {
        get => inner.NewLine;
        set => inner.NewLine = value;
    }

    /// <inheritdoc />
    public override void Write(char value) => inner.Write(TerminalText.Clean(value));

    /// <inheritdoc />
    public override void Write(string? value) => inner.Write(value is null ? null : TerminalText.Clean(value));

    /// <inheritdoc />
    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    /// <inheritdoc />
    public override void Write(ReadOnlySpan<char> buffer) => Write(new string(buffer));

    /// <inheritdoc />
    public override void WriteLine() => inner.WriteLine();

    /// <inheritdoc />
    public override void WriteLine(string? value) => inner.WriteLine(value is null ? null : TerminalText.Clean(value));

    /// <inheritdoc />
    public override void Flush() => inner.Flush();

    /// <inheritdoc />
    public override Task FlushAsync() => inner.FlushAsync();
}
