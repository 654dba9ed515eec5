using System.Buffers;
using System.Globalization;

namespace RagPlatform.Contracts;

/// <summary>What every string of the wire must keep to, because PostgreSQL can store nothing else.</summary>
public static class WireText
{
    private static readonly SearchValues<char> s_surrogates = SearchValues.Create([.. Enumerable.Range(0xD800, 0x800).Select(c => (char)c)]);

    /// <summary>What is wrong with a text, or null: a NUL character, or half of a surrogate pair.</summary>
    public static string? Check(ReadOnlySpan<char> text)
    {
        var nul = text.IndexOf('\0');
        if (nul >= 0)
        {
            return string.Create(CultureInfo.InvariantCulture, $"NUL characters (U+0000) cannot be stored; the first is at character {nul + 1}.");
        }

        for (var i = text.IndexOfAny(s_surrogates); i >= 0 && i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
            {
                continue;
            }

            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
            {
                return string.Create(CultureInfo.InvariantCulture, $"There is half of a surrogate pair at character {i + 1}.");
            }

            i++;
        }

        return null;
    }
}
