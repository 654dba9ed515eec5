using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace RagPlatform.EmbeddingService.Wire;

/// <summary>Writes the answer straight into the response: nothing is allocated for a number.</summary>
internal static class EmbeddingResponseWriter
{
    // The writer validates what we know to be right, at a third of its time for long float arrays.
    private static readonly JsonWriterOptions s_options = new() { SkipValidation = true };

    /// <param name="output">The response's body.</param>
    /// <param name="model">The model, as the request names it.</param>
    /// <param name="vectors">The vectors, in the order of the request's texts.</param>
    /// <param name="tokens">Tokens of all texts.</param>
    /// <param name="base64">Whether vectors are written as base64 of little-endian 32-bit floats.</param>
    public static void Write(IBufferWriter<byte> output, string model, ReadOnlySpan<float[]> vectors, long tokens, bool base64)
    {
        using var json = new Utf8JsonWriter(output, s_options);
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        for (var i = 0; i < vectors.Length; i++)
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "embedding"u8);
            json.WriteNumber("index"u8, i);
            json.WritePropertyName("embedding"u8);
            WriteVector(json, vectors[i], base64);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("model"u8, model);
        json.WriteStartObject("usage"u8);
        json.WriteNumber("prompt_tokens"u8, tokens);
        json.WriteNumber("total_tokens"u8, tokens);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteVector(Utf8JsonWriter json, float[] vector, bool base64)
    {
        if (base64)
        {
            json.WriteBase64StringValue(MemoryMarshal.AsBytes(vector.AsSpan()));
            return;
        }

        json.WriteStartArray();
        foreach (var value in vector)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}
