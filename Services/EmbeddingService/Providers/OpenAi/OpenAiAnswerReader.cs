using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace RagPlatform.EmbeddingService.Providers.OpenAi;

/// <summary>Reads an answer in OpenAI's wire format, with vectors as numbers or base64, and puts each where its index says.</summary>
internal static class OpenAiAnswerReader
{
    /// <param name="body">The answer's body.</param>
    /// <param name="count">Texts that were sent.</param>
    /// <exception cref="ProviderException">It is no such answer, or an index is missing, double or out of range.</exception>
    public static GeneratedEmbeddings<Embedding<float>> Read(ReadOnlySpan<byte> body, int count)
    {
        var vectors = new float[]?[count];
        long? tokens = null;
        var sawData = false;
        var reader = new Utf8JsonReader(body);
        try
        {
            Expect(ref reader, JsonTokenType.StartObject);
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("data"u8))
                {
                    sawData = true;
                    ReadData(ref reader, vectors);
                }
                else if (reader.ValueTextEquals("usage"u8))
                {
                    tokens = ReadUsage(ref reader);
                }
                else
                {
                    reader.Read();
                    reader.Skip();
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw Malformed("The provider's answer cannot be read: " + e.GetType().Name + ".", e);
        }

        if (!sawData)
        {
            throw Malformed("The provider's answer has no data.");
        }

        var embeddings = new GeneratedEmbeddings<Embedding<float>>(count);
        for (var i = 0; i < count; i++)
        {
            embeddings.Add(new Embedding<float>(vectors[i] ?? throw Malformed($"The provider's answer has no vector of index {i}.")));
        }

        if (tokens is { } counted)
        {
            embeddings.Usage = new UsageDetails { InputTokenCount = counted, TotalTokenCount = counted };
        }

        return embeddings;
    }

    private static void ReadData(ref Utf8JsonReader reader, float[]?[] vectors)
    {
        Expect(ref reader, JsonTokenType.StartArray);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                throw Malformed("The provider's answer holds something else than embeddings.");
            }

            int? index = null;
            float[]? vector = null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("index"u8))
                {
                    reader.Read();
                    index = reader.GetInt32();
                }
                else if (reader.ValueTextEquals("embedding"u8))
                {
                    reader.Read();
                    vector = ReadVector(ref reader);
                }
                else
                {
                    reader.Read();
                    reader.Skip();
                }
            }

            if (index is not { } place || place < 0 || place >= vectors.Length || vectors[place] is not null || vector is null)
            {
                throw Malformed("The provider's answer has an index that is missing, double or out of range.");
            }

            vectors[place] = vector;
        }
    }

    private static float[] ReadVector(ref Utf8JsonReader reader)
    {
        // What is wrong with one vector is found by the check of the answer: it does not spoil the others.
        if (reader.TokenType == JsonTokenType.String)
        {
            return reader.TryGetBytesFromBase64(out var bytes) && bytes.Length % sizeof(float) == 0 ? MemoryMarshal.Cast<byte, float>(bytes).ToArray() : [];
        }

        if (reader.TokenType != JsonTokenType.StartArray)
        {
            reader.Skip();
            return [];
        }

        var numbers = new List<float>(1536);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            numbers.Add(reader.TokenType == JsonTokenType.Number && reader.TryGetSingle(out var number) ? number : float.NaN);
            reader.Skip();
        }

        return [.. numbers];
    }

    private static long? ReadUsage(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return null;
        }

        long? tokens = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var counted = reader.ValueTextEquals("prompt_tokens"u8);
            reader.Read();
            if (counted && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var value) && value >= 0)
            {
                tokens = value;
            }
            else
            {
                reader.Skip();
            }
        }

        return tokens;
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (!reader.Read() || reader.TokenType != type)
        {
            throw Malformed("The provider's answer is not in OpenAI's format.");
        }
    }

    private static ProviderException Malformed(string message, Exception? inner = null) => new(ProviderFailure.Malformed, message, inner);
}
