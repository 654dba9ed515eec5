using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using RagPlatform.EmbeddingService.Wire;

namespace RagPlatform.EmbeddingService.Tests.Wire;

public sealed class EmbeddingResponseWriterTests
{
    private static readonly float[][] s_vectors = [[0.1f, -1e-7f, 3f], [float.MaxValue, float.Epsilon, 0f]];

    [Fact]
    public void Write_Floats_RoundTripsEveryBit()
    {
        var root = Write(base64: false);

        Assert.Equal("list", root.GetProperty("object").GetString());
        Assert.Equal("the-model", root.GetProperty("model").GetString());
        Assert.Equal(7, root.GetProperty("usage").GetProperty("prompt_tokens").GetInt64());
        Assert.Equal(7, root.GetProperty("usage").GetProperty("total_tokens").GetInt64());
        var data = root.GetProperty("data");
        for (var i = 0; i < s_vectors.Length; i++)
        {
            Assert.Equal("embedding", data[i].GetProperty("object").GetString());
            Assert.Equal(i, data[i].GetProperty("index").GetInt32());
            Assert.Equal(s_vectors[i], data[i].GetProperty("embedding").EnumerateArray().Select(number => number.GetSingle()));
        }
    }

    [Fact]
    public void Write_Base64_IsLittleEndianFloats()
    {
        var data = Write(base64: true).GetProperty("data");

        for (var i = 0; i < s_vectors.Length; i++)
        {
            Assert.Equal(s_vectors[i], MemoryMarshal.Cast<byte, float>(data[i].GetProperty("embedding").GetBytesFromBase64()).ToArray());
        }
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 3)]
    [InlineData(1_234, 7)]
    public void WriteBase64_AnyNumberOfVectors_AnnouncesTheLengthThatItWrites(int count, int dimensions)
    {
        var output = new ArrayBufferWriter<byte>();
        var announced = 0L;
        var vectors = Enumerable.Range(0, count).Select(i => Enumerable.Repeat((float)i, dimensions).ToArray()).ToArray();

        EmbeddingResponseWriter.WriteBase64(output, "a \"quoted\" näme", vectors, 12_345, length => announced = length);

        Assert.Equal(output.WrittenCount, announced);
        var root = JsonDocument.Parse(output.WrittenMemory).RootElement;
        Assert.Equal("a \"quoted\" näme", root.GetProperty("model").GetString());
        Assert.Equal(12_345, root.GetProperty("usage").GetProperty("total_tokens").GetInt64());
        Assert.Equal(Enumerable.Range(0, count), root.GetProperty("data").EnumerateArray().Select(item => item.GetProperty("index").GetInt32()));
    }

    [Fact]
    public void Write_Base64OfManyVectors_AllocatesNothingPerVector()
    {
        var vectors = Enumerable.Range(0, 100).Select(_ => new float[384]).ToArray();
        var output = new ArrayBufferWriter<byte>(1 << 20);
        EmbeddingResponseWriter.WriteBase64(output, "m", vectors, 1, static _ => { });
        output.ResetWrittenCount();

        var before = GC.GetAllocatedBytesForCurrentThread();
        EmbeddingResponseWriter.WriteBase64(output, "m", vectors, 1, static _ => { });

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2_000);
    }

    private static JsonElement Write(bool base64)
    {
        var output = new ArrayBufferWriter<byte>();
        if (base64)
        {
            EmbeddingResponseWriter.WriteBase64(output, "the-model", s_vectors, 7, _ => { });
        }
        else
        {
            EmbeddingResponseWriter.Write(output, "the-model", s_vectors, 7);
        }

        return JsonDocument.Parse(output.WrittenMemory).RootElement;
    }
}
