using Microsoft.ML.Tokenizers;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>A text as a model's tokens.</summary>
/// <param name="Ids">The ids, special ones included.</param>
/// <param name="Lost">Tokens of the text that did not fit; 0 when all of it was read.</param>
internal readonly record struct TokenizedText(long[] Ids, int Lost);

/// <summary>WordPiece with a model's vocabulary and special tokens.</summary>
internal sealed class LocalTokenizer
{
    private readonly BertTokenizer _tokenizer;
    private readonly int _first;
    private readonly int _last;
    private readonly int _maxTokens;

    /// <exception cref="ModelFolderException">The vocabulary cannot be used.</exception>
    public LocalTokenizer(ModelSource source)
    {
        var settings = source.Settings;
        var tokens = settings.Tokens;
        _maxTokens = settings.MaxTokens;
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
                RemoveNonSpacingMarks = tokens.LowerCase,
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
        var ids = _tokenizer.EncodeToIds(text, addSpecialTokens: false);
        var kept = Math.Min(ids.Count, _maxTokens - 2);
        var framed = new long[kept + 2];
        framed[0] = _first;
        for (var i = 0; i < kept; i++)
        {
            framed[i + 1] = ids[i];
        }

        framed[^1] = _last;
        return new TokenizedText(framed, ids.Count - kept);
    }

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
