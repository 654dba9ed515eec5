using Microsoft.ML.Tokenizers;

namespace RagPlatform.EmbeddingService.Limits;

/// <summary>The encoding of tokens that a model's provider counts by.</summary>
internal enum TokenEncoding
{
    /// <summary>Not known here: tokens are estimated.</summary>
    Unknown,

    /// <summary><c>cl100k_base</c>: OpenAI's embedding models.</summary>
    Cl100k,
}

/// <summary>
/// <c>cl100k_base</c>: counts, cuts and decodes. Long texts are looked at in pieces: a run of letters without end takes quadratic time at once, and pieces
/// between two of its words have exactly the tokens that they have together.
/// </summary>
internal static class Cl100k
{
    private const int MinPiece = 500;
    private const int MaxPiece = 1_000;
    private const int LastOrdinary = 100_255;

    private static readonly Lazy<TiktokenTokenizer> s_tokenizer = new(() => TiktokenTokenizer.CreateForEncoding("cl100k_base"));
    private static readonly Lazy<HashSet<int>> s_special = new(() => [.. s_tokenizer.Value.SpecialTokens!.Values]);

    /// <summary>Loads it: a quarter of a second, 20 MB.</summary>
    public static void Load() => _ = s_tokenizer.Value;

    /// <summary>Tokens of a text.</summary>
    public static int Count(ReadOnlySpan<char> text)
    {
        var count = 0;
        while (!text.IsEmpty)
        {
            var length = PieceOf(text);
            count += s_tokenizer.Value.CountTokens(text[..length]);
            text = text[length..];
        }

        return Math.Max(1, count);
    }

    /// <summary>The longest beginning of a text that has at most so many tokens; the whole text when it has.</summary>
    public static string CutEnd(string text, int maxTokens)
    {
        var (start, count) = (0, 0);
        while (start < text.Length)
        {
            var piece = text.AsSpan(start, PieceOf(text.AsSpan(start)));
            var tokens = s_tokenizer.Value.CountTokens(piece);
            if (count + tokens > maxTokens)
            {
                var end = start + s_tokenizer.Value.GetIndexByTokenCount(piece, maxTokens - count, out _, out _);
                return text[..(end > 0 && char.IsHighSurrogate(text[end - 1]) ? end - 1 : end)];
            }

            (start, count) = (start + piece.Length, count + tokens);
        }

        return text;
    }

    /// <summary>The longest end of a text that has at most so many tokens; the whole text when it has.</summary>
    public static string CutStart(string text, int maxTokens)
    {
        var pieces = new List<(int Start, int Length)>();
        for (var start = 0; start < text.Length; start += pieces[^1].Length)
        {
            pieces.Add((start, PieceOf(text.AsSpan(start))));
        }

        var count = 0;
        for (var i = pieces.Count - 1; i >= 0; i--)
        {
            var piece = text.AsSpan(pieces[i].Start, pieces[i].Length);
            var tokens = s_tokenizer.Value.CountTokens(piece);
            if (count + tokens > maxTokens)
            {
                var begin = pieces[i].Start + s_tokenizer.Value.GetIndexByTokenCountFromEnd(piece, maxTokens - count, out _, out _);
                return text[(begin < text.Length && char.IsLowSurrogate(text[begin]) ? begin + 1 : begin)..];
            }

            count += tokens;
        }

        return text;
    }

    /// <summary>Whether there is such a token.</summary>
    public static bool Has(int token) => token is >= 0 and <= LastOrdinary || s_special.Value.Contains(token);

    /// <summary>The text of tokens; a character of which only a part is there becomes U+FFFD.</summary>
    public static string Decode(IEnumerable<int> tokens) => s_tokenizer.Value.Decode(tokens);

    // Up to where no token crosses: behind a letter that no letter follows. Where there is no such place, somewhere between two characters.
    private static int PieceOf(ReadOnlySpan<char> text)
    {
        if (text.Length <= MaxPiece)
        {
            return text.Length;
        }

        for (var end = MaxPiece; end > MinPiece; end--)
        {
            if (char.IsLetter(text[end - 1]) && !char.IsLetter(text[end]) && !char.IsSurrogate(text[end]))
            {
                return end;
            }
        }

        return char.IsLowSurrogate(text[MaxPiece]) ? MaxPiece - 1 : MaxPiece;
    }
}
