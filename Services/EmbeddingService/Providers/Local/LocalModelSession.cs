using System.Numerics.Tensors;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using SessionOptions = Microsoft.ML.OnnxRuntime.SessionOptions;

namespace RagPlatform.EmbeddingService.Providers.Local;

/// <summary>
/// A loaded model. One text a call, on one thread: a text's vector does not depend on what is computed beside it (with the int8 rewrite a batch
/// shares its activations' scale: cosines down to 0.98), nothing is padded, and several calls at once keep all cores busy. Thread-safe.
/// </summary>
internal sealed class LocalModelSession : IDisposable
{
    private readonly LocalModelSettings _settings;
    private readonly LocalTokenizer _tokenizer;
    private readonly InferenceSession _session;
    private readonly string[] _inputs;
    private readonly string[] _output;

    private LocalModelSession(LocalModelSettings settings, LocalTokenizer tokenizer, InferenceSession session, string output)
    {
        (_settings, _tokenizer, _session, _output) = (settings, tokenizer, session, [output]);
        _inputs = [.. session.InputMetadata.Keys];
    }

    /// <summary>Loads a model, and computes one text to see that it is what its settings say.</summary>
    /// <exception cref="ModelFolderException">It is not, or it cannot be loaded.</exception>
    public static LocalModelSession Load(ModelSource source)
    {
        var settings = source.Settings;
        var tokenizer = new LocalTokenizer(source);
        InferenceSession? session = null;
        try
        {
            using var options = new SessionOptions
            {
                IntraOpNumThreads = 1,
                InterOpNumThreads = 1,
                ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
                GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
                LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
            };

            // Processors with AVX2 but without VNNI saturate products of unsigned and signed bytes; this has the weights converted there.
            options.AddSessionConfigEntry("session.x64quantprecision", "1");
            session = new InferenceSession(source.Int8 ? Int8Rewrite.Apply(source.ReadModel()) : source.ReadModel(), options);
            foreach (var input in session.InputMetadata.Keys.Where(name => name is not ("input_ids" or "attention_mask" or "token_type_ids")))
            {
                throw new ModelFolderException($"The model {settings.Name} has the input '{input}'; input_ids, attention_mask and token_type_ids can be given.");
            }

            var output = session.OutputMetadata.Keys.FirstOrDefault(name => name is "last_hidden_state" or "token_embeddings")
                ?? session.OutputMetadata.Where(pair => pair.Value.Dimensions.Length == 3).Select(pair => pair.Key).FirstOrDefault()
                ?? throw new ModelFolderException($"The model {settings.Name} has no output of a vector for each token (last_hidden_state).");
            var model = new LocalModelSession(settings, tokenizer, session, output);
            model.Embed("A text of a few words.");
            session = null;
            return model;
        }
        catch (Exception e) when (e is OnnxRuntimeException or InvalidProtocolBufferException)
        {
            throw new ModelFolderException($"The model {settings.Name} cannot be loaded: {FirstLine(e.Message)}", e);
        }
        finally
        {
            session?.Dispose();
        }
    }

    /// <summary>The vector of a text.</summary>
    /// <param name="text">The text, with prompt.</param>
    /// <returns>The vector, the tokens that were read, and the tokens that did not fit.</returns>
    /// <exception cref="ModelFolderException">The model answers something else than its settings say.</exception>
    public (float[] Vector, int Tokens, int Lost) Embed(string text)
    {
        var tokens = _tokenizer.Tokenize(text);
        if (tokens.Windows is [var only])
        {
            return (Scale(Compute(only)), only.Length, tokens.Lost);
        }

        var (mean, count) = (new float[_settings.Dimensions], 0);
        foreach (var window in tokens.Windows)
        {
            var vector = Scale(Compute(window));
            TensorPrimitives.MultiplyAdd(vector, window.Length, mean, mean);
            count += window.Length;
        }

        TensorPrimitives.Divide(mean, count, mean);
        return (Scale(mean), count, tokens.Lost);
    }

    /// <inheritdoc />
    public void Dispose() => _session.Dispose();

    private float[] Compute(long[] ids)
    {
        var length = ids.Length;
        var shape = new long[] { 1, length };
        var ones = new long[length];
        Array.Fill(ones, 1L);
        var values = new OrtValue[_inputs.Length];
        try
        {
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = OrtValue.CreateTensorValueFromMemory(
                    _inputs[i] switch { "input_ids" => ids, "attention_mask" => ones, _ => new long[length] }, shape);
            }

            using var run = new RunOptions();
            using var results = _session.Run(run, _inputs, values, _output);
            var answered = results[0].GetTensorTypeAndShape().Shape;
            if (answered is not [1, var rows, var columns] || rows != length || columns != _settings.Dimensions)
            {
                throw new ModelFolderException(
                    $"The model {_settings.Name} answers a tensor of {string.Join(" × ", answered)} for {length} tokens; its settings promise 1 × {length} × {_settings.Dimensions}.");
            }

            return Pool(results[0].GetTensorDataAsSpan<float>(), length);
        }
        finally
        {
            foreach (var value in values)
            {
                value?.Dispose();
            }
        }
    }

    private float[] Scale(float[] vector)
    {
        if (_settings.Normalized && TensorPrimitives.Norm<float>(vector) is > 0 and var norm)
        {
            TensorPrimitives.Divide(vector, norm, vector);
        }

        return vector;
    }

    private float[] Pool(ReadOnlySpan<float> rows, int length)
    {
        var dimensions = _settings.Dimensions;
        var vector = new float[dimensions];
        switch (_settings.Pooling)
        {
            case Pooling.FirstToken:
                rows[..dimensions].CopyTo(vector);
                break;
            case Pooling.LastToken:
                rows[^dimensions..].CopyTo(vector);
                break;
            case Pooling.Max:
                rows[..dimensions].CopyTo(vector);
                for (var row = 1; row < length; row++)
                {
                    TensorPrimitives.Max(vector, rows.Slice(row * dimensions, dimensions), vector);
                }

                break;
            default:
                for (var row = 0; row < length; row++)
                {
                    TensorPrimitives.Add(vector, rows.Slice(row * dimensions, dimensions), vector);
                }

                TensorPrimitives.Divide(vector, length, vector);
                break;
        }

        return vector;
    }

    private static string FirstLine(string message) => message.AsSpan().Trim().ToString().Split('\n')[0];
}
