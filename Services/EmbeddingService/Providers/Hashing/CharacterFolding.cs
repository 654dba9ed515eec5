using System.Globalization;

namespace RagPlatform.EmbeddingService.Providers.Hashing;

/// <summary>
/// Maps each UTF-16 code unit to what it counts as inside a word: lower case, without accents, whatever the composition form. A
/// table of our own, because <see cref="string.Normalize()"/> does nothing without ICU and ICU's data differs between machines.
/// </summary>
internal static class CharacterFolding
{
    /// <summary>Ends a word: white space, punctuation, symbols, control characters.</summary>
    public const char Separator = '\0';

    /// <summary>Does not count at all: combining accents, soft hyphen, joiners, variation selectors.</summary>
    public const char Ignored = '\u0001';

    // Codes below the first printable character can be no fold result, so they number the folds of more than one character.
    private const char FirstExpansion = '\u0002';
    private const char FirstCharacter = ' ';

    private static readonly string[] s_expansions = ["ss", "ae", "oe", "ff", "fi", "fl", "ffi", "ffl", "st"];

    private static readonly string[] s_expanding = ["ßẞ", "æǣǽ", "œ", "ﬀ", "ﬁ", "ﬂ", "ﬃ", "ﬄ", "ﬅﬆ"];

    // A base letter and the lower-case letters that Unicode decomposes canonically into it and combining marks.
    private static readonly string[] s_accented =
    [
        "aàáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ", "bḃḅḇ", "cçćĉċčḉ", "dďḋḍḏḑḓ", "eèéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ", "fḟ", "gĝğġģǧǵḡ", "hĥȟḣḥḧḩḫẖ",
        "iìíîïĩīĭįİǐȉȋḭḯỉị", "jĵǰ", "kķǩḱḳḵ", "lĺļľḷḹḻḽ", "mḿṁṃ", "nñńņňǹṅṇṉṋ", "oòóôõöōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợ", "pṕṗ",
        "rŕŗřȑȓṙṛṝṟ", "sśŝşšșṡṣṥṧṩſẛ", "tţťțṫṭṯṱẗ", "uùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự", "vṽṿ", "wŵẁẃẅẇẉẘ", "xẋẍ", "yýÿŷȳẏẙỳỵỷỹ",
        "zźżžẑẓẕ", "øǿ", "ʒǯ",
        "αά", "εέ", "ηή", "ιΐίϊ", "οό", "σς", "υΰϋύ", "ωώ",
        "аӑӓ", "гѓ", "еѐёӗ", "жӂӝ", "зӟ", "ийѝӣӥ", "кќ", "оӧ", "уўӯӱӳ", "чӵ", "ыӹ", "эӭ", "ії", "ѵѷ", "әӛ", "өӫ",
        "0⁰₀", "1¹₁", "2²₂", "3³₃", "4⁴₄", "5⁵₅", "6⁶₆", "7⁷₇", "8⁸₈", "9⁹₉",
    ];

    private static readonly char[] s_table = BuildTable();

    /// <summary>
    /// One entry per UTF-16 code unit: <see cref="Separator"/>, <see cref="Ignored"/>, an expansion or the folded character.
    /// </summary>
    public static ReadOnlySpan<char> Table => s_table;

    /// <summary>Whether a table entry stands for several characters, see <see cref="Expand"/>.</summary>
    public static bool IsExpansion(char folded) => folded is >= FirstExpansion and < FirstCharacter;

    /// <summary>The characters that an expanding table entry stands for.</summary>
    public static string Expand(char folded) => s_expansions[folded - FirstExpansion];

    /// <summary>Whether the (folded) character belongs to a script that is written without spaces between words.</summary>
    public static bool IsUnspaced(char folded) => folded >= '\u0E00' && folded is
        <= '\u0EFF' // Thai, Lao
        or (>= '\u1000' and <= '\u109F') // Myanmar
        or (>= '\u1780' and <= '\u17FF') // Khmer
        or (>= '\u2E80' and <= '\u312F') // radicals, Hiragana, Katakana, Bopomofo
        or (>= '\u31A0' and <= '\u9FFF') // Katakana extensions, Han
        or (>= '\uF900' and <= '\uFAFF'); // Han, compatibility

    private static char[] BuildTable()
    {
        var table = new char[char.MaxValue + 1];
        for (var code = 0; code < table.Length; code++)
        {
            table[code] = Classify((char)code);
        }

        // ASCII and half-width punctuation and letters exist in full width as well.
        for (var code = '\uFF01'; code <= '\uFF5E'; code++)
        {
            table[code] = table[code - '\uFF01' + '!'];
        }

        foreach (var row in s_accented)
        {
            foreach (var accented in row.AsSpan(1))
            {
                Set(table, accented, row[0]);
            }
        }

        for (var i = 0; i < s_expanding.Length; i++)
        {
            foreach (var expanding in s_expanding[i])
            {
                Set(table, expanding, (char)(FirstExpansion + i));
            }
        }

        return table;
    }

    private static void Set(char[] table, char lower, char folded)
    {
        table[lower] = folded;
        table[char.ToUpperInvariant(lower)] = folded;
    }

    private static char Classify(char c)
    {
        // Halves of surrogate pairs stay as they are: rare scripts and emoji are words like others.
        if (char.IsSurrogate(c))
        {
            return c;
        }

        if (c is (>= '\u0300' and <= '\u036F') or (>= '\uFE00' and <= '\uFE0F'))
        {
            return Ignored;
        }

        return CharUnicodeInfo.GetUnicodeCategory(c) switch
        {
            UnicodeCategory.Format => Ignored,
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
                or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
                or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber
                => char.ToLowerInvariant(c),
            _ => Separator,
        };
    }
}
