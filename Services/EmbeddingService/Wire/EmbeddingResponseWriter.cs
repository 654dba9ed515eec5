using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace RagPlatform.EmbeddingService.Wire;

/// <summary>Writes the answer straight into the response: nothing is allocated for a number.</summary>
internal static class EmbeddingResponseWriter
{
    // The writer validates what we know to be right, at a third of its time for long float arrays.
    private static readonly JsonWriterOptions s_options = new() { SkipValidation = true };

    /// <summary>Writes the vectors as arrays of numbers.</summary>
    /// <param name="output">The response's body.</param>
    /// <param name="model">The model, as the request names it.</param>
    /// <param name="vectors">The vectors, in the order of the request's texts.</param>
    /// <param name="tokens">Tokens of all texts.</param>
    public static void Write(IBufferWriter<byte> output, string model, ReadOnlySpan<float[]> vectors, long tokens)
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
            WriteVector(json, vectors[i]);
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

    /// <summary>Writes nothing but the vectors, as arrays of numbers.</summary>
    public static void WriteBare(IBufferWriter<byte> output, ReadOnlySpan<float[]> vectors)
    {
        using var json = new Utf8JsonWriter(output, s_options);
        json.WriteStartArray();
        foreach (var vector in vectors)
        {
            WriteVector(json, vector);
        }

        json.WriteEndArray();
    }

    /// <summary>Writes the vectors as base64 of little-endian 32-bit floats. It needs no escape, so the length is known before.</summary>
    /// <param name="output">The response's body.</param>
    /// <param name="model">The model, as the request names it.</param>
    /// <param name="vectors">The vectors, in the order of the request's texts.</param>
    /// <param name="tokens">Tokens of all texts.</param>
    /// <param name="announce">Gets the number of bytes, before the first is written.</param>
    public static void WriteBase64(IBufferWriter<byte> output, string model, ReadOnlySpan<float[]> vectors, long tokens, Action<long> announce)
    {
        var end = (byte[])[.. "],\"model\":"u8, .. JsonSerializer.SerializeToUtf8Bytes(model), .. UsageOf(tokens)];
        var length = (long)Begin.Length + end.Length + Math.Max(0, vectors.Length - 1);
        for (var i = 0; i < vectors.Length; i++)
        {
            length += LengthOf(i, vectors[i]);
        }

        announce(length);
        output.Write(Begin);
        for (var i = 0; i < vectors.Length; i++)
        {
            if (i > 0)
            {
                output.Write(","u8);
            }

            var span = output.GetSpan(LengthOf(i, vectors[i]));
            var written = Copy(ItemBegin, span);
            i.TryFormat(span[written..], out var digits, default, CultureInfo.InvariantCulture);
            written += digits;
            written += Copy(ItemMiddle, span[written..]);
            Base64.EncodeToUtf8(MemoryMarshal.AsBytes(vectors[i].AsSpan()), span[written..], out _, out var encoded);
            written += encoded;
            output.Advance(written + Copy(ItemEnd, span[written..]));
        }

        output.Write(end);
    }

    private static ReadOnlySpan<byte> Begin => "{\"object\":\"list\",\"data\":["u8;

    private static ReadOnlySpan<byte> ItemBegin => "{\"object\":\"embedding\",\"index\":"u8;

    private static ReadOnlySpan<byte> ItemMiddle => ",\"embedding\":\""u8;

    private static ReadOnlySpan<byte> ItemEnd => "\"}"u8;

    private static byte[] UsageOf(long tokens) => System.Text.Encoding.UTF8.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $",\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens}}}}}"));

    private static int LengthOf(int index, float[] vector) => ItemBegin.Length + Digits(index) + ItemMiddle.Length
        + Base64.GetMaxEncodedToUtf8Length(vector.Length * sizeof(float)) + ItemEnd.Length;

    private static int Digits(int index) => index switch { < 10 => 1, < 100 => 2, < 1_000 => 3, _ => 4 };

    private static int Copy(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        source.CopyTo(destination);
        return source.Length;
    }

    private static void WriteVector(Utf8JsonWriter json, float[] vector)
    {
        json.WriteStartArray();
        foreach (var value in vector)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}
