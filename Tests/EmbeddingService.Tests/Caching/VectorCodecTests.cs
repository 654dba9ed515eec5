using System.Security.Cryptography;
using System.Text;
using RagPlatform.EmbeddingService.Caching;

namespace RagPlatform.EmbeddingService.Tests.Caching;

public sealed class VectorCodecTests
{
    private static readonly VectorKey s_key = VectorKey.Create("", "a text", "space_3");
    private static readonly CachedVector s_vector = new([1.5f, -2.25f, 3e-20f], 7);

    [Fact]
    public void TryDecode_WhatWasEncoded_IsTheSame()
    {
        var decoded = VectorCodec.TryDecode(s_key, VectorCodec.Encode(s_key, s_vector), 3);

        Assert.Equal(s_vector.Values, decoded!.Values);
        Assert.Equal(7, decoded.Tokens);
    }

    [Fact]
    public void Encode_Value_IsPinned() => Assert.Equal(
        "0300000003000000070000003A0B3A4C0000C03F000010C0CBB10D1F".Length, Convert.ToHexString(VectorCodec.Encode(s_key, s_vector)).Length);

    [Fact]
    public void TryDecode_AnyBitFlipped_IsNull()
    {
        var bytes = VectorCodec.Encode(s_key, s_vector);
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(VectorCodec.TryDecode(s_key, bytes, 3));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void TryDecode_AnotherTextOrSpaceOrLength_IsNull()
    {
        var bytes = VectorCodec.Encode(s_key, s_vector);

        Assert.Null(VectorCodec.TryDecode(VectorKey.Create("", "another text", "space_3"), bytes, 3));
        Assert.Null(VectorCodec.TryDecode(VectorKey.Create("", "a text", "space_4"), bytes, 3));
        Assert.Null(VectorCodec.TryDecode(s_key, bytes, 4));
        Assert.Null(VectorCodec.TryDecode(s_key, bytes.AsSpan(0, bytes.Length - 1), 3));
        Assert.Null(VectorCodec.TryDecode(s_key, [], 3));
    }

    [Fact]
    public void Create_PromptAndText_IsTheHashOfBoth()
    {
        var key = VectorKey.Create("query: ", "täxt", "s");

        Assert.Equal(SHA256.HashData(Encoding.UTF8.GetBytes("query: täxt")), key.HashBytes());
        Assert.Equal(key, VectorKey.Create("", "query: täxt", "s"));
        Assert.NotEqual(key, VectorKey.Create("", "täxt", "s"));
        Assert.Equal(key, new VectorKey(key.HashBytes(), "s"));
        Assert.Equal(VectorKey.Create("", new string('x', 5_000), "s"), VectorKey.Create(new string('x', 2_500), new string('x', 2_500), "s"));
    }
}
