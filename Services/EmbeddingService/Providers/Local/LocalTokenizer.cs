using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using ICU4N.Text;
using Microsoft.ML.Tokenizers;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>A text as a model's tokens.</summary>
/// <param name="Windows">The ids that are read at once, special ones included; at least one window.</param>
/// <param name="Lost">Tokens of the text that did not fit; 0 when all of it is read.</param>
internal readonly record struct TokenizedText(IReadOnlyList<long[]> Windows, int Lost);

/// <summary>WordPiece with a model's vocabulary and special tokens.</summary>
internal sealed partial class LocalTokenizer
{
    // Words as BERT cuts them: at white space and at each punctuation mark, to which all of ASCII's symbols belong. (The package's own rule drops symbols.)
    private static readonly PreTokenizer s_words = new RegexPreTokenizer(Words(), null);

    // .NET's own normalisation does nothing without the machine's ICU, which the platform does not need.
    private static readonly Normalizer2 s_decomposition = Normalizer2.NFDInstance;

    private readonly BertTokenizer _tokenizer;
    private readonly bool _foldAccents;
    private readonly int _first;
    private readonly int _last;
    private readonly int _window;
    private readonly int _windows;

    /// <exception cref="ModelFolderException">The vocabulary cannot be used.</exception>
    public LocalTokenizer(ModelSource source)
    {
        var settings = source.Settings;
        var tokens = settings.Tokens;
        (_window, _windows) = (settings.Window - 2, settings.Windows);
        _foldAccents = tokens.LowerCase;
        var ids = ReadIds(source);
        (_first, _last) = (Find(tokens.First), Find(tokens.Last));
        Find(tokens.Unknown);
        try
        {
            using var vocabulary = source.OpenVocabulary();

            // Its own special tokens are not used: the frame is put around the ids here. So names that the vocabulary has stand in for those it lacks.
            _tokenizer = BertTokenizer.Create(vocabulary, new BertOptions
            {
                LowerCaseBeforeTokenization = tokens.LowerCase,
                PreTokenizer = s_words,
                UnknownToken = tokens.Unknown,
                ClassificationToken = tokens.First,
                SeparatorToken = tokens.Last,
                PaddingToken = tokens.First,
                MaskingToken = tokens.First,
            });
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or FormatException)
        {
            throw new ModelFolderException($"The vocabulary of {settings.Name} cannot be used: {e.Message}", e);
        }

        int Find(string token) => ids.TryGetValue(token, out var id) ? id
            : throw new ModelFolderException($"The vocabulary of {settings.Name} has no {token}: is it of another model?");
    }

    /// <summary>Tokens of the vocabulary.</summary>
    public int VocabularySize { get; private set; }

    /// <summary>The tokens of a text, as many as the model reads.</summary>
    public TokenizedText Tokenize(string text)
    {
        var ids = _tokenizer.EncodeToIds(Clean(text), addSpecialTokens: false);
        var kept = (int)Math.Min(ids.Count, (long)_window * _windows);
        var windows = new List<long[]>(1);
        for (var start = 0; start < kept || start == 0; start += _window)
        {
            var framed = new long[Math.Min(_window, kept - start) + 2];
            framed[0] = _first;
            for (var i = 1; i < framed.Length - 1; i++)
            {
                framed[i] = ids[start + i - 1];
            }

            framed[^1] = _last;
            windows.Add(framed);
        }

        return new TokenizedText(windows, ids.Count - kept);
    }

    // What BERT's own tokenizer does before it looks for words: white space is a space, what cannot be seen is left out, and so are accents.
    private string Clean(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        {
            return text;
        }

        var clean = new StringBuilder(text.Length);
        var decomposed = _foldAccents && !Ascii.IsValid(text) ? s_decomposition.Normalize(text) : text;
        foreach (var rune in decomposed.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune))
            {
                clean.Append(' ');
            }
            else if (rune != Rune.ReplacementChar && Rune.GetUnicodeCategory(rune) switch
            {
                UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned => false,
                UnicodeCategory.NonSpacingMark => !_foldAccents,
                _ => true,
            })
            {
                clean.Append(rune.ToString());
            }
        }

        return clean.ToString();
    }

    [GeneratedRegex(@"[^\s\p{P}$+<=>^`|~]+|[\p{P}$+<=>^`|~]")]
    private static partial Regex Words();

    private Dictionary<string, int> ReadIds(ModelSource source)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        using var reader = new StreamReader(source.OpenVocabulary());
        for (var id = 0; reader.ReadLine() is { } token; id++)
        {
            ids.TryAdd(token, id);
            VocabularySize = id + 1;
        }

        return ids;
    }
}
