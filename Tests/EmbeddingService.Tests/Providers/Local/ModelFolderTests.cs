using RagPlatform.EmbeddingService.Providers.Local;

namespace RagPlatform.EmbeddingService.Tests.Providers.Local;

public sealed class ModelFolderTests
{
    [Fact]
    public void Open_WholeFolder_ReadsWhatItSays()
    {
        using var tiny = new TinyModel("cls_token", maxTokens: 7);
        tiny.WriteJson("config_sentence_transformers.json", new { prompts = new { query = "Find: ", passage = "Text: " } });

        var settings = ModelFolder.Open(tiny.Folder).Settings;

        Assert.Equal((TinyModel.Dimensions, 7, Pooling.FirstToken, true), (settings.Dimensions, settings.Window, settings.Pooling, settings.Normalized));
        Assert.Equal(("Find: ", "Text: "), (settings.QueryPrompt, settings.DocumentPrompt));
    }

    [Fact]
    public void Open_OtherWeightsOrVocabulary_IsAnotherRevision()
    {
        using var tiny = new TinyModel();
        var revision = ModelFolder.Open(tiny.Folder).Settings.Revision;

        tiny.Write("vocab.txt", string.Join('\n', TinyModel.Words) + "\nmore\n");

        Assert.NotEqual(revision, ModelFolder.Open(tiny.Folder).Settings.Revision);
    }

    [Fact]
    public void Open_TokenizerJsonInPlaceOfAVocabulary_IsRead()
    {
        using var tiny = new TinyModel();
        using var before = LocalModelSession.Load(ModelFolder.Open(tiny.Folder));
        tiny.Delete("vocab.txt");
        tiny.WriteJson("tokenizer.json", new
        {
            model = new { type = "WordPiece", vocab = TinyModel.Words.Select((word, id) => (word, id)).ToDictionary(pair => pair.word, pair => pair.id) },
        });

        using var session = LocalModelSession.Load(ModelFolder.Open(tiny.Folder));

        Assert.Equal(before.Embed("heat flow").Vector, session.Embed("heat flow").Vector);
    }

    public static TheoryData<string, string> Broken => new()
    {
        { "no model", "neither model.onnx" },
        { "empty model", "is empty" },
        { "no config", "no config.json" },
        { "config is no JSON", "is no JSON" },
        { "no modules", "no modules.json" },
        { "a dense module", "'sentence_transformers.models.Dense'" },
        { "two poolings", "cls_token and mean_tokens" },
        { "no pooling settings", "1_Pooling" },
        { "dimensions disagree", "says 16 dimensions" },
        { "no vocabulary", "neither vocab.txt nor tokenizer.json" },
        { "byte-pair tokenizer", "WordPiece" },
        { "vocabulary of another model", "has no [CLS]" },
        { "truncated model", "cannot be loaded" },
        { "text as model", "cannot be loaded" },
        { "model of other dimensions", "promise 1 × " },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public void Load_BrokenFolder_SaysWhatIsWrongInOneLine(string how, string says)
    {
        using var tiny = new TinyModel();
        Break(tiny, how);

        var e = Assert.Throws<ModelFolderException>(() => LocalModelSession.Load(ModelFolder.Open(tiny.Folder)).Dispose());

        Assert.Contains(says, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void Open_NoFolder_SaysSo() =>
        Assert.Contains("/nowhere/model", Assert.Throws<ModelFolderException>(() => ModelFolder.Open("/nowhere/model")).Message, StringComparison.Ordinal);

    private static void Break(TinyModel tiny, string how)
    {
        var model = Path.Combine(tiny.Folder, "model.onnx");
        switch (how)
        {
            case "no model":
                tiny.Delete("model.onnx");
                break;
            case "empty model":
                tiny.Write("model.onnx", "");
                break;
            case "no config":
                tiny.Delete("config.json");
                break;
            case "config is no JSON":
                tiny.Write("config.json", "{");
                break;
            case "no modules":
                tiny.Delete("modules.json");
                break;
            case "a dense module":
                tiny.WriteJson("modules.json", TinyModel.Modules(true, "sentence_transformers.models.Dense"));
                break;
            case "two poolings":
                tiny.WriteJson("1_Pooling/config.json", new { pooling_mode_cls_token = true, pooling_mode_mean_tokens = true });
                break;
            case "no pooling settings":
                tiny.Delete("1_Pooling/config.json");
                break;
            case "dimensions disagree":
                tiny.WriteJson("1_Pooling/config.json", new { word_embedding_dimension = 8, pooling_mode_mean_tokens = true });
                break;
            case "no vocabulary":
                tiny.Delete("vocab.txt");
                break;
            case "byte-pair tokenizer":
                tiny.Delete("vocab.txt");
                tiny.WriteJson("tokenizer.json", new { model = new { type = "BPE", vocab = new { a = 0 } } });
                break;
            case "vocabulary of another model":
                tiny.Write("vocab.txt", "<s>\n<pad>\n</s>\nword\n");
                break;
            case "truncated model":
                File.WriteAllBytes(model, File.ReadAllBytes(model)[..^200]);
                break;
            case "text as model":
                tiny.Write("model.onnx", "version https://git-lfs.github.com/spec/v1");
                break;
            case "model of other dimensions":
                tiny.WriteJson("config.json", new { model_type = "bert", hidden_size = 8, max_position_embeddings = 64 });
                tiny.WriteJson("1_Pooling/config.json", new { word_embedding_dimension = 8, pooling_mode_mean_tokens = true });
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(how), how, "No such fault.");
        }
    }
}
