using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Security.Cryptography;
using RagPlatform.EmbeddingService.Providers.Hashing;

namespace RagPlatform.EmbeddingService.Tests.Providers.Hashing;

public sealed class HashingEmbeddingTests
{
    // Frozen: vectors in databases were made by these bits. If one changes on purpose, raise HashingEmbedding.Revision with it.
    public static TheoryData<string, int, string> GoldenHashes => new()
    {
        { "", 384, "1809eb478ec98a577bf82092a34e8282ce52edcd92e32dfae18a7f1bfa0640c8" },
        { "—…!? \t\n", 384, "6bf563d982f3c0e60367daeb1a2ced34a2e97412b7eb1824b82273b4cee3c984" },
        { "the", 384, "37f68571ea18c3fd701878beddea1900fcfa29ddf0b682de082c8993c383dfd9" },
        { "The quick brown fox jumps over the lazy dog.", 384, "cd1ec5997ea9332ba0a688bb9dda535b6d668c88f9ca4692fdd74ecd8e7cfdda" },
        { "The quick brown fox jumps over the lazy dog.", 64, "934a77284fdb4585b656da568ceae30d47c339a376238320869d6b400e7a1acd" },
        { "The quick brown fox jumps over the lazy dog.", 1536, "989fb64e3ffbe8266175921a362838fbc33a7627b785523265bfdc1c72c56826" },
        {
            "Größe, naïve Überprüfung; l'été à Århus: Œuvre, ﬁnance, İstanbul, ΌΣΟΣ σός, Ёлка", 384,
            "820f06d0fe20a54a468d20073856af0113e7861574065e3e40d66e9cd2c9e24c"
        },
        { "東京都の検索エンジン ภาษาไทย 한국어 검색 ＡＢＣ１２３ 😀😃 m²", 384, "94ec3d3c4deda188ae34e9fa7116d3c934ee0a571c43cc3b738431262a324fb2" },
        {
            "PostgreSQL 17.6: SELECT count(*) FROM chunks WHERE workspace_id = 42; -- 3.5 ms (p95)", 384,
            "64d54e20d4f00105f0026af0cdf4dc27d0670e3a2cead4106ca2c0ed3d4efb89"
        },
    };

    [Theory]
    [MemberData(nameof(GoldenHashes))]
    public void Embed_GoldenText_GivesFrozenBits(string text, int dimensions, string sha256)
    {
        Assert.Equal(sha256, Sha256(Embed(text, dimensions)));
    }

    [Fact]
    public void Embed_LongGoldenText_GivesFrozenBits()
    {
        Assert.Equal("4972b7dc55a8d9ad879b2012f0319bb4b7f358c7ff65726ad27624c7245737fa", Sha256(Embed(LongText(300_000))));
    }

    [Fact]
    public void Embed_GoldenText_GivesFrozenComponents()
    {
        var vector = Embed("vector search", 64);

        var components = vector.Select((value, index) => (value, index)).Where(c => c.value != 0).Select(c => $"{c.index}:{c.value:R}");
        Assert.Equal(
            "8:0.29874548 9:-0.29874548 11:0.29874548 19:-0.25047037 23:0.29874548 25:0.29874548 26:0.29874548 " +
            "29:-0.25047037 35:0.29874548 36:0.29874548 49:-0.29874548 59:0.09248716 62:0.25047037",
            string.Join(' ', components));
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("?!…—")]
    [InlineData("\u0301\u200d")]
    [InlineData("x")]
    [InlineData("the of and")]
    [InlineData("word word word")]
    public void Embed_AnyText_IsFiniteUnitVector(string text)
    {
        foreach (var dimensions in (int[])[64, 100, 384, 4096])
        {
            var vector = Embed(text, dimensions);

            Assert.All(vector, value => Assert.True(float.IsFinite(value)));
            Assert.Equal(1, TensorPrimitives.Norm<float>(vector), 1e-5);
        }
    }

    [Fact]
    public void Embed_HalfASurrogatePair_IsUnitVector()
    {
        Assert.Equal(1, TensorPrimitives.Norm<float>(Embed(new string('\ud83d', 1))), 1e-5);
        Assert.Equal(1, TensorPrimitives.Norm<float>(Embed(new string('\ude00', 1))), 1e-5);
    }

    [Fact]
    public void Embed_DifferentPunctuation_GivesDifferentVectors()
    {
        Assert.NotEqual(Embed("???"), Embed("!!!"));
    }

    [Fact]
    public void Embed_RandomTexts_AreUnitVectorsAndRepeatable()
    {
        var random = new Random(20240607);
        for (var round = 0; round < 300; round++)
        {
            var text = new string(Enumerable.Range(0, random.Next(200)).Select(_ => (char)random.Next(char.MaxValue + 1)).ToArray());

            var vector = Embed(text);

            Assert.Equal(1, TensorPrimitives.Norm<float>(vector), 1e-5);
            Assert.Equal(vector, Embed(text));
        }
    }

    [Fact]
    public void Embed_ManyThreads_GiveTheSameBits()
    {
        var text = LongText(20_000);
        var expected = Embed(text);

        var vectors = new float[64][];
        Parallel.For(0, vectors.Length, i => vectors[i] = Embed(text));

        Assert.All(vectors, vector => Assert.Equal(expected, vector));
    }

    [Fact]
    public void Embed_DirtyDestination_IsOverwritten()
    {
        var destination = new float[384];
        Array.Fill(destination, 7f);

        HashingEmbedding.Embed("vector search", destination);

        Assert.Equal(Embed("vector search"), destination);
    }

    [Theory]
    [InlineData("caf\u00e9", "cafe\u0301")]
    [InlineData("CAFÉ", "café")]
    [InlineData("café", "cafe")]
    [InlineData("й", "и\u0306")]
    [InlineData("ΣΊΣΥΦΟΣ", "σίσυφος")]
    [InlineData("ﬁnance", "finance")]
    [InlineData("Straße", "STRASSE")]
    [InlineData("İstanbul", "istanbul")]
    [InlineData("ＡＢＣ", "abc")]
    [InlineData("soft\u00adhyphen", "softhyphen")]
    [InlineData("well-known", "Well known!")]
    [InlineData("vectors, queries", "vector query")]
    [InlineData("one two three", "three... two; one")]
    public void Embed_SpellingThatMeansTheSame_IsTheSameDirection(string left, string right)
    {
        Assert.Equal(1, Similarity(left, right), 1e-5);
    }

    [Theory]
    [InlineData("how do I restore a backup", "Restoring the database from a backup takes minutes.", "The cat sleeps on the sofa all day.")]
    [InlineData("postgres index bloat", "Index bloat in PostgreSQL grows with every update.", "A recipe for tomato soup with basil.")]
    [InlineData("authentification eror", "authentication error", "automatic gearbox")]
    [InlineData("Donaudampfschifffahrt", "Die Dampfschifffahrt auf der Donau", "Der Hund schläft auf dem Sofa")]
    [InlineData("東京の天気", "明日の東京は天気が良い", "大阪で電車に乗る")]
    [InlineData("การค้นหา", "ระบบการค้นหาเอกสาร", "แมวนอนบนโซฟา")]
    public void Embed_RelatedText_IsCloserThanUnrelated(string query, string related, string unrelated)
    {
        Assert.True(Similarity(query, related) > Similarity(query, unrelated) + 0.1);
    }

    [Fact]
    public void Embed_UnrelatedTexts_AreNearlyOrthogonal()
    {
        Assert.InRange(Similarity("tomato soup with basil and cream", "quarterly tax filing deadline"), -0.25, 0.25);
    }

    [Fact]
    public void Embed_FunctionWords_HardlyMoveTheVector()
    {
        Assert.True(Similarity("what is the rotation of the encryption key", "rotation encryption key") > 0.9);
    }

    [Fact]
    public void Embed_LongText_IsUnitVectorCloseToItsParts()
    {
        var text = LongText(300_000);

        var vector = Embed(text);

        Assert.Equal(1, TensorPrimitives.Norm<float>(vector), 1e-5);
        Assert.True(TensorPrimitives.Dot<float>(vector, Embed(text[..100_000])) > 0.8);
    }

    [Fact]
    public void Embed_RunWithoutSpaces_IsUnitVector()
    {
        Assert.Equal(1, TensorPrimitives.Norm<float>(Embed(new string('a', 300_000))), 1e-5);
        Assert.Equal(1, TensorPrimitives.Norm<float>(Embed(new string('語', 300_000))), 1e-5);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("?!", 0)]
    [InlineData("vector search, vector", 3)]
    [InlineData("東京", 3)]
    public void Embed_Text_ReturnsNumberOfWords(string text, int words)
    {
        Assert.Equal(words, HashingEmbedding.Embed(text, new float[384]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(63)]
    [InlineData(4097)]
    public void Embed_DimensionsOutOfRange_Throws(int dimensions)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => HashingEmbedding.Embed("text", new float[dimensions]));
    }

    [Fact]
    public void Embed_WarmedUp_AllocatesNothing()
    {
        var text = LongText(1_200);
        var destination = new float[384];
        HashingEmbedding.Embed(text, destination);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            HashingEmbedding.Embed(text, destination);
        }

        // The array pool may be trimmed by a collection in between, so a rented array or two are not counted as a leak.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    private static float[] Embed(string text, int dimensions = HashingEmbedding.DefaultDimensions)
    {
        var vector = new float[dimensions];
        HashingEmbedding.Embed(text, vector);
        return vector;
    }

    private static float Similarity(string left, string right) => TensorPrimitives.Dot<float>(Embed(left), Embed(right));

    private static string Sha256(float[] vector)
    {
        var bytes = new byte[vector.Length * sizeof(float)];
        for (var i = 0; i < vector.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), vector[i]);
        }

        return Convert.ToHexStringLower(SHA256.HashData(bytes));
    }

    /// <summary>Text of a few thousand distinct words from an arithmetic sequence, the same everywhere.</summary>
    private static string LongText(int length)
    {
        const string Syllables = "kalomirudesatoneviguhopeza";
        var state = 1u;
        return string.Create(length, state, static (span, seed) =>
        {
            var left = 0;
            for (var i = 0; i < span.Length; i++)
            {
                if (left == 0)
                {
                    seed = (seed * 1664525) + 1013904223;
                    left = 3 + (int)((seed >> 24) % 7);
                    span[i] = ' ';
                    continue;
                }

                seed = (seed * 1664525) + 1013904223;
                span[i] = Syllables[(int)((seed >> 20) % (left > 3 ? 8u : 26u))];
                left--;
            }
        });
    }
}
