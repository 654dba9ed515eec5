using System.Runtime.InteropServices;
using System.Text.Json;

namespace RagPlatform.EmbeddingService.Tests.Providers.Local;

/// <summary>Makes an ONNX model of the weights of a small BERT or MPNet in safetensors' format.</summary>
internal static class TransformerOnnx
{
    private const int MaxLength = 64;

    /// <param name="folder">The folder with <c>config.json</c> and <c>model.safetensors</c>.</param>
    public static byte[] Convert(string folder)
    {
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        var weights = Read(Path.Combine(folder, "model.safetensors"));
        var builder = new Builder(config.RootElement, weights);
        return builder.Build();
    }

    private static Dictionary<string, (float[] Values, long[] Shape)> Read(string file)
    {
        var bytes = File.ReadAllBytes(file);
        var header = (int)BitConverter.ToInt64(bytes);
        using var index = JsonDocument.Parse(bytes.AsMemory(8, header));
        return index.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__" && entry.Value.GetProperty("dtype").GetString() == "F32").ToDictionary(
            entry => entry.Name,
            entry =>
            {
                var range = entry.Value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt32()).ToArray();
                var values = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(8 + header + range[0], range[1] - range[0])).ToArray();
                return (values, entry.Value.GetProperty("shape").EnumerateArray().Select(length => length.GetInt64()).ToArray());
            });
    }

    private sealed class Builder(JsonElement config, Dictionary<string, (float[] Values, long[] Shape)> weights)
    {
        private readonly OnnxWriter _onnx = new();
        private readonly bool _mpnet = config.GetProperty("model_type").GetString() == "mpnet";
        private readonly int _size = config.GetProperty("hidden_size").GetInt32();
        private readonly int _heads = config.GetProperty("num_attention_heads").GetInt32();
        private readonly float _epsilon = config.GetProperty("layer_norm_eps").GetSingle();

        public byte[] Build()
        {
            var length = _onnx.Node("Gather", [_onnx.Node("Shape", ["input_ids"]), _onnx.Tensor([1L])], ("axis", 0));
            var first = _mpnet ? 2L : 0L;
            var positions = _onnx.Node("Range", [_onnx.Tensor([first]), _onnx.Node("Add", [length, _onnx.Tensor([first])]), _onnx.Tensor([1L])]);
            var x = _onnx.Node("Add", [
                _onnx.Node("Gather", [Weight("embeddings.word_embeddings.weight"), "input_ids"]),
                _onnx.Node("Gather", [Weight("embeddings.position_embeddings.weight"), positions])]);
            if (!_mpnet)
            {
                x = _onnx.Node("Add", [x, _onnx.Node("Gather", [Weight("embeddings.token_type_embeddings.weight"), "token_type_ids"])]);
            }

            x = Norm(x, "embeddings.LayerNorm");
            var bias = _mpnet ? RelativeBias(length) : null;
            for (var layer = 0; layer < config.GetProperty("num_hidden_layers").GetInt32(); layer++)
            {
                x = Layer(x, $"encoder.layer.{layer}.", bias);
            }

            _onnx.Node("Identity", [x], output: "last_hidden_state");
            return _onnx.Model(_mpnet ? ["input_ids", "attention_mask"] : ["input_ids", "attention_mask", "token_type_ids"], "last_hidden_state");
        }

        private string Layer(string x, string name, string? bias)
        {
            var (query, key, value, output, norm) = _mpnet
                ? ("attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o", "attention.LayerNorm")
                : ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "attention.output.LayerNorm");
            var (q, k, v) = (Heads(Linear(x, name + query), [0, 2, 1, 3]), Heads(Linear(x, name + key), [0, 2, 3, 1]), Heads(Linear(x, name + value), [0, 2, 1, 3]));
            var scores = _onnx.Node("Div", [_onnx.Node("MatMul", [q, k]), _onnx.Tensor([MathF.Sqrt(_size / _heads)])]);
            if (bias is not null)
            {
                scores = _onnx.Node("Add", [scores, bias]);
            }

            var mixed = _onnx.Node("MatMul", [_onnx.Node("Softmax", [scores], ("axis", -1)), v]);
            var joined = _onnx.Node("Reshape", [_onnx.Node("Transpose", [mixed], ("perm", new long[] { 0, 2, 1, 3 })), _onnx.Constant(0, 0, _size)]);
            x = Norm(_onnx.Node("Add", [Linear(joined, name + output), x]), name + norm);
            var wide = Linear(x, name + "intermediate.dense");
            var half = _onnx.Node("Mul", [wide, _onnx.Tensor([0.5f])]);
            var error = _onnx.Node("Erf", [_onnx.Node("Div", [wide, _onnx.Tensor([MathF.Sqrt(2)])])]);
            var activated = _onnx.Node("Mul", [half, _onnx.Node("Add", [error, _onnx.Tensor([1f])])]);
            return Norm(_onnx.Node("Add", [Linear(activated, name + "output.dense"), x]), name + "output.LayerNorm");
        }

        private string Heads(string x, long[] order) =>
            _onnx.Node("Transpose", [_onnx.Node("Reshape", [x, _onnx.Constant(0, 0, _heads, _size / _heads)])], ("perm", order));

        private string Linear(string x, string name)
        {
            var (values, shape) = weights[name + ".weight"];
            var (rows, columns) = ((int)shape[0], (int)shape[1]);
            var turned = new float[values.Length];
            for (var row = 0; row < rows; row++)
            {
                for (var column = 0; column < columns; column++)
                {
                    turned[(column * rows) + row] = values[(row * columns) + column];
                }
            }

            return _onnx.Node("Add", [_onnx.Node("MatMul", [x, _onnx.Tensor(turned, columns, rows)]), Weight(name + ".bias")]);
        }

        private string Norm(string x, string name) =>
            _onnx.Node("LayerNormalization", [x, Weight(name + ".weight"), Weight(name + ".bias")], ("axis", -1), ("epsilon", _epsilon));

        private string Weight(string name) => _onnx.Tensor(weights[name].Values, weights[name].Shape);

        // MPNet adds to each score a number that depends on the distance of the two tokens, in buckets that grow with it (as T5 does).
        private string RelativeBias(string length)
        {
            var (values, shape) = weights["encoder.relative_attention_bias.weight"];
            var table = new float[_heads * MaxLength * MaxLength];
            for (var head = 0; head < _heads; head++)
            {
                for (var i = 0; i < MaxLength; i++)
                {
                    for (var j = 0; j < MaxLength; j++)
                    {
                        table[(((head * MaxLength) + i) * MaxLength) + j] = values[(Bucket(i - j, (int)shape[0]) * _heads) + head];
                    }
                }
            }

            var size = _onnx.Node("Unsqueeze", [length, _onnx.Constant(0)]);
            return _onnx.Node("Slice", [
                _onnx.Tensor(table, 1, _heads, MaxLength, MaxLength), _onnx.Constant(0, 0), _onnx.Node("Concat", [size, size], ("axis", 0)), _onnx.Constant(2, 3)]);
        }

        private static int Bucket(int distance, int buckets)
        {
            const int MaxDistance = 128;
            buckets /= 2;
            var bucket = distance < 0 ? buckets : 0;
            var n = Math.Abs(distance);
            var exact = buckets / 2;
            return bucket + (n < exact ? n
                : Math.Min(buckets - 1, exact + (int)(Math.Log((double)n / exact) / Math.Log((double)MaxDistance / exact) * (buckets - exact))));
        }
    }
}
