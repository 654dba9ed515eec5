using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>
/// A folder in the layout of sentence-transformers: <c>model.onnx</c> or <c>onnx/model.onnx</c>, <c>vocab.txt</c> or a WordPiece
/// <c>tokenizer.json</c>, <c>config.json</c>, <c>modules.json</c>, <c>1_Pooling/config.json</c>, and optionally <c>sentence_bert_config.json</c>,
/// <c>tokenizer_config.json</c> and <c>config_sentence_transformers.json</c> (prompts).
/// </summary>
internal sealed class ModelFolder : ModelSource
{
    private const long MaxSettingsBytes = 64 << 20;
    private const long MaxModelBytes = int.MaxValue - (1 << 20);

    private readonly string _folder;
    private readonly string _model;
    private readonly byte[] _vocabulary;

    private ModelFolder(string folder, string model, byte[] vocabulary, LocalModelSettings settings, bool int8)
    {
        (_folder, _model, _vocabulary, Int8) = (folder, model, vocabulary, int8);
        Settings = settings;
    }

    /// <inheritdoc />
    public override LocalModelSettings Settings { get; }

    /// <inheritdoc />
    public override bool Int8 { get; }

    /// <summary>Reads what is known of the model, its weights excepted.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="int8">Whether it is to be computed in 8-bit integers: twice as fast, and for each model to be tried what it costs.</param>
    /// <exception cref="ModelFolderException">A file is missing, cannot be read, or asks for what this provider does not do.</exception>
    public static ModelFolder Open(string folder, bool int8 = false)
    {
        if (!Directory.Exists(folder))
        {
            throw new ModelFolderException($"There is no folder {folder}.");
        }

        var model = new[] { "model.onnx", Path.Combine("onnx", "model.onnx") }.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw new ModelFolderException($"{folder} has neither model.onnx nor onnx/model.onnx: export the model to ONNX first.");
        if (new FileInfo(model).Length is 0 or > MaxModelBytes)
        {
            throw new ModelFolderException($"{model} is empty, or larger than 2 GB.");
        }

        using var config = Read(folder, "config.json") ?? throw new ModelFolderException($"{folder} has no config.json.");
        using var tokenizer = Read(folder, "tokenizer_config.json");
        using var sentence = Read(folder, "sentence_bert_config.json");
        using var prompts = Read(folder, "config_sentence_transformers.json");
        var (pooling, dimensions, normalized) = ReadModules(folder, Number(config, "hidden_size"));
        var vocabulary = ReadVocabulary(folder);
        var settings = new LocalModelSettings(
            Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))),
            dimensions,
            MaxTokens(config, tokenizer, sentence, folder),
            pooling,
            normalized,
            Prompt(prompts, "query"),
            Prompt(prompts, "document") is { Length: > 0 } document ? document : Prompt(prompts, "passage"),
            Revision(model, vocabulary, int8))
        {
            Tokens = ReadTokens(tokenizer),
        };
        return new ModelFolder(folder, model, vocabulary, settings, int8);
    }

    /// <inheritdoc />
    public override byte[] ReadModel()
    {
        try
        {
            return File.ReadAllBytes(_model);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException($"{_model} cannot be read: {e.Message}", e);
        }
    }

    /// <inheritdoc />
    public override Stream OpenVocabulary() => new MemoryStream(_vocabulary, writable: false);

    /// <inheritdoc />
    public override string ToString() => _folder;

    // The first and last megabyte and the length stand for the weights: reading 400 MB at every start only to name them would cost a second.
    private static string Revision(string model, byte[] vocabulary, bool int8)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (var file = File.OpenRead(model))
        {
            var part = new byte[(int)Math.Min(file.Length, 1 << 20)];
            file.ReadExactly(part);
            hash.AppendData(part);
            file.Position = file.Length - part.Length;
            file.ReadExactly(part);
            hash.AppendData(part);
            hash.AppendData(BitConverter.GetBytes(file.Length));
        }

        hash.AppendData(vocabulary);
        return (int8 ? PackagedModels.Int8 : "fp32.1") + "-" + Convert.ToHexStringLower(hash.GetHashAndReset(), 0, 6);
    }

    private static (Pooling Pooling, int Dimensions, bool Normalized) ReadModules(string folder, int? hidden)
    {
        var (pooling, dimensions, normalized) = (Pooling.Mean, hidden, false);
        using var modules = Read(folder, "modules.json") ?? throw new ModelFolderException($"{folder} has no modules.json: is it a sentence-transformers folder?");
        if (modules.RootElement.ValueKind != JsonValueKind.Array)
        {
            throw new ModelFolderException($"{folder}/modules.json: expected a list of modules.");
        }

        foreach (var module in modules.RootElement.EnumerateArray())
        {
            var type = Text(module, "type");
            switch (type[(type.LastIndexOf('.') + 1)..])
            {
                case "Transformer":
                    break;
                case "Normalize":
                    normalized = true;
                    break;
                case "Pooling":
                    (pooling, dimensions) = ReadPooling(folder, Text(module, "path"), hidden);
                    break;
                default:
                    throw new ModelFolderException($"{folder}/modules.json has the module '{type}'; Transformer, Pooling and Normalize can be computed here.");
            }
        }

        return dimensions is >= 1 and <= 16_000 ? (pooling, dimensions.Value, normalized)
            : throw new ModelFolderException($"{folder}: neither config.json nor the pooling's says the dimensions (hidden_size, 1 to 16,000).");
    }

    private static (Pooling Pooling, int? Dimensions) ReadPooling(string folder, string path, int? hidden)
    {
        var name = Path.Combine(path, "config.json");
        using var config = Read(folder, name) ?? throw new ModelFolderException($"{folder} has no {name}.");
        var chosen = config.RootElement.ValueKind == JsonValueKind.Object
            ? config.RootElement.EnumerateObject()
                .Where(member => member.Name.StartsWith("pooling_mode_", StringComparison.Ordinal) && member.Value.ValueKind == JsonValueKind.True)
                .Select(member => member.Name["pooling_mode_".Length..])
                .ToList()
            : throw new ModelFolderException($"{folder}/{name}: expected an object.");
        Pooling pooling = chosen switch
        {
            [] or ["mean_tokens"] => Pooling.Mean,
            ["cls_token"] => Pooling.FirstToken,
            ["lasttoken"] => Pooling.LastToken,
            ["max_tokens"] => Pooling.Max,
            _ => throw new ModelFolderException($"{folder}/{name} wants pooling by {string.Join(" and ", chosen)}; one of mean_tokens, cls_token, lasttoken, max_tokens can be computed here."),
        };
        var dimensions = Number(config, "word_embedding_dimension");
        return hidden is not null && dimensions is not null && hidden != dimensions
            ? throw new ModelFolderException($"{folder}: config.json says {hidden} dimensions, {name} says {dimensions}.")
            : (pooling, dimensions ?? hidden);
    }

    private static int MaxTokens(JsonDocument config, JsonDocument? tokenizer, JsonDocument? sentence, string folder)
    {
        // Models of RoBERTa's kind count positions from behind the padding token.
        var positions = Number(config, "max_position_embeddings");
        if (positions is { } all && Kind(config) is "mpnet" or "roberta" or "xlm-roberta" or "camembert")
        {
            positions = positions - (Number(config, "pad_token_id") ?? 1) - 1;
        }

        int?[] limits = [positions, Number(sentence, "max_seq_length"), Number(tokenizer, "model_max_length")];
        var least = limits.Where(limit => limit is > 0).DefaultIfEmpty(512).Min()!.Value;
        return least >= 3 ? least : throw new ModelFolderException($"{folder}: the model reads {least} tokens; 3 is the least.");
    }

    private static string Kind(JsonDocument config) => Text(config.RootElement, "model_type");

    private static SpecialTokens ReadTokens(JsonDocument? tokenizer)
    {
        var bert = SpecialTokens.Bert;
        return tokenizer is null ? bert : new SpecialTokens(
            Token("cls_token", bert.First), Token("sep_token", bert.Last), Token("unk_token", bert.Unknown),
            !tokenizer.RootElement.TryGetProperty("do_lower_case", out var lower) || lower.ValueKind != JsonValueKind.False);

        string Token(string name, string otherwise) => !tokenizer.RootElement.TryGetProperty(name, out var token) ? otherwise
            : token.ValueKind == JsonValueKind.String ? token.GetString()!
            : token.ValueKind == JsonValueKind.Object ? Text(token, "content") is { Length: > 0 } content ? content : otherwise
            : otherwise;
    }

    private static byte[] ReadVocabulary(string folder)
    {
        var plain = Path.Combine(folder, "vocab.txt");
        if (File.Exists(plain))
        {
            return ReadBytes(plain);
        }

        using var tokenizer = Read(folder, "tokenizer.json") ?? throw new ModelFolderException($"{folder} has neither vocab.txt nor tokenizer.json.");
        if (!tokenizer.RootElement.TryGetProperty("model", out var model) || Text(model, "type") is not "WordPiece" || !model.TryGetProperty("vocab", out var vocab))
        {
            throw new ModelFolderException($"{folder}/tokenizer.json: expected a WordPiece model; others cannot be read here.");
        }

        var tokens = vocab.EnumerateObject().Select(entry => (entry.Name, Id: entry.Value.GetInt32())).OrderBy(entry => entry.Id).ToList();
        return tokens.Count > 0 && tokens[^1].Id == tokens.Count - 1
            ? Encoding.UTF8.GetBytes(string.Join('\n', tokens.Select(token => token.Name)))
            : throw new ModelFolderException($"{folder}/tokenizer.json: the ids of the vocabulary have gaps.");
    }

    private static JsonDocument? Read(string folder, string name)
    {
        var file = Path.Combine(folder, name);
        if (!File.Exists(file))
        {
            return null;
        }

        try
        {
            return JsonDocument.Parse(ReadBytes(file));
        }
        catch (JsonException e)
        {
            throw new ModelFolderException($"{file} is no JSON: {e.Message}", e);
        }
    }

    private static byte[] ReadBytes(string file)
    {
        try
        {
            return new FileInfo(file).Length <= MaxSettingsBytes ? File.ReadAllBytes(file) : throw new ModelFolderException($"{file} is larger than 64 MB.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException($"{file} cannot be read: {e.Message}", e);
        }
    }

    private static int? Number(JsonDocument? document, string name) =>
        document?.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty(name, out var value)
        && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : null;

    private static string Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static string Prompt(JsonDocument? document, string name) =>
        document?.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("prompts", out var prompts) ? Text(prompts, name) : "";
}
