using System.Text.Json;

namespace RagPlatform.EmbeddingService.Tests.Providers.Local;

/// <summary>A folder with a model of 16 dimensions: a vector for each word, turned by one matrix. Deleted with the object.</summary>
internal sealed class TinyModel : IDisposable
{
    public const int Dimensions = 16;

    public static string[] Words { get; } =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "alpha", "beta", "gamma", "delta", "heat", "##ed", "flow", "wing", "speed", "a", "b", "c"];

    public string Folder { get; } = Directory.CreateTempSubdirectory("rag-model-").FullName;

    public TinyModel(string pooling = "mean_tokens", int maxTokens = 8, bool normalize = true)
    {
        Write("vocab.txt", string.Join('\n', Words) + "\n");
        WriteJson("config.json", new { model_type = "bert", hidden_size = Dimensions, max_position_embeddings = 64 });
        WriteJson("sentence_bert_config.json", new { max_seq_length = maxTokens });
        WriteJson("modules.json", Modules(normalize));
        WriteJson("1_Pooling/config.json", new Dictionary<string, object>
        {
            ["word_embedding_dimension"] = Dimensions,
            ["pooling_mode_" + pooling] = true,
        });
        File.WriteAllBytes(Path.Combine(Folder, "model.onnx"), Onnx());
    }

    /// <summary>The vector that the model has for the word at a place of the vocabulary.</summary>
    public static float[] WordVector(int word)
    {
        var (table, matrix, bias) = Weights();
        return [.. Enumerable.Range(0, Dimensions).Select(column =>
            bias[column] + Enumerable.Range(0, Dimensions).Sum(row => table[(word * Dimensions) + row] * matrix[(row * Dimensions) + column]))];
    }

    public void Write(string name, string text)
    {
        var file = Path.Combine(Folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    public void WriteJson(string name, object value) => Write(name, JsonSerializer.Serialize(value));

    public void Delete(string name) => File.Delete(Path.Combine(Folder, name));

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    internal static object[] Modules(bool normalize, string second = "sentence_transformers.models.Pooling") =>
    [
        new { idx = 0, name = "0", path = "", type = "sentence_transformers.models.Transformer" },
        new { idx = 1, name = "1", path = "1_Pooling", type = second },
        .. normalize ? new object[] { new { idx = 2, name = "2", path = "2_Normalize", type = "sentence_transformers.models.Normalize" } } : [],
    ];

    private static byte[] Onnx()
    {
        var (table, matrix, bias) = Weights();
        var onnx = new OnnxWriter();
        var words = onnx.Node("Gather", [onnx.Tensor(table, Words.Length, Dimensions), "input_ids"]);
        var turned = onnx.Node("MatMul", [words, onnx.Tensor(matrix, Dimensions, Dimensions)]);
        onnx.Node("Add", [turned, onnx.Tensor(bias, Dimensions)], output: "last_hidden_state");
        return onnx.Model(["input_ids", "attention_mask", "token_type_ids"], "last_hidden_state");
    }

    private static (float[] Table, float[] Matrix, float[] Bias) Weights()
    {
        var random = new Random(5);
        return (Next(Words.Length * Dimensions), Next(Dimensions * Dimensions), Next(Dimensions));

        float[] Next(int count) => [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];
    }
}
